// What to do first, said on the picture itself, until something is marked or was taught.
import { percent } from "./dom.js";

const LEAST_SHARE = 0.002;   // of the picture: what is smaller is hard to point at

/** The segment that a first teaching would best be of: the largest unknown one, else the least sure; null without any. */
function firstToTeach(segments) {
  const large = segments.filter((segment) => segment.share >= LEAST_SHARE);
  const unknown = large.filter((segment) => segment.class === null).sort((a, b) => b.share - a.share);
  return unknown[0] ?? large.sort((a, b) => a.confidence - b.confidence)[0] ?? null;
}

const hintFor = (segment) => segment.class === null
  ? "This is unknown: click it, type its name, press Enter."
  : `Called ${segment.class}, ${percent(segment.confidence)} sure. If it is something else: click it, type its name, press Enter.`;

/** Shows it in an element over the canvas, or hides that where it is not `wanted`. */
export function placeHint(hint, wanted, { scene, view, canvas }) {
  const segment = wanted && scene.isOpen && !scene.isMarked ? firstToTeach(scene.answer.segments) : null;
  hint.hidden = !segment;
  if (!segment) return;
  hint.textContent = hintFor(segment);
  const [x, y] = view.onCanvas(segment.anchor), above = y > hint.offsetHeight + 24;
  const left = Math.max(4, Math.min(x - 24, canvas.clientWidth - hint.offsetWidth - 4));
  hint.style.left = `${left}px`;
  hint.style.top = `${above ? y - hint.offsetHeight - 14 : y + 14}px`;
  hint.style.setProperty("--arrow", `${Math.max(10, Math.min(x - left, hint.offsetWidth - 10))}px`);
  hint.classList.toggle("wb-below", !above);
}
