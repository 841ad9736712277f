// What to do first, said on the picture itself, until something is marked or was taught.
import { percent } from "./dom.js";

const LEAST_SHARE = 0.002;   // of the picture: what is smaller is hard to point at

/** The segment that a first teaching would best be of: the largest unknown one, else the least sure; null without any. */
export function firstToTeach(segments) {
  const large = segments.filter((segment) => segment.share >= LEAST_SHARE);
  const unknown = large.filter((segment) => segment.class === null).sort((a, b) => b.share - a.share);
  return unknown[0] ?? large.sort((a, b) => a.confidence - b.confidence)[0] ?? null;
}

export const hintFor = (segment) => segment.class === null
  ? "This is unknown: click it, type its name, press Enter."
  : `Called ${segment.class}, ${percent(segment.confidence)} sure. If it is something else: click it, type its name, press Enter.`;
