// What the views of an answer show in which colour, and the legend that says so.
import { make, percent } from "./dom.js";
import { classOf } from "./scene.js";

const DECISIONS = { base: [0, 114, 178], retrieval: [230, 159, 0], person: [0, 158, 115], unknown: [140, 140, 140] };  // told apart by the colour-blind
const RAMP = [[0, 32, 77], [124, 123, 120], [255, 234, 70]];  // cividis: confidence as brightness, in print as well

export function colorOf(segment, view) {
  if (view === "source") return DECISIONS[segment.decision];
  if (view === "confidence") {
    const at = Math.min(segment.confidence, 0.9999) * 2, low = RAMP[Math.floor(at)], high = RAMP[Math.floor(at) + 1];
    return low.map((value, i) => Math.round(value + (high[i] - value) * (at % 1)));
  }
  return segment.color;
}

/** The entries of a legend: what the view shows with its colour and its share of the picture, the largest first. */
export function legendOf(segments, view) {
  const areas = new Map();
  for (const segment of segments) {
    let key = classOf(segment), color = segment.color;
    const hatched = segment.class === null && view !== "confidence";
    if (view === "source") { key = segment.decision; color = DECISIONS[key]; }
    if (view === "confidence") { key = `${Math.min(4, Math.floor(segment.confidence * 5)) * 20} % and more`; color = colorOf(segment, view); }
    const known = areas.get(key) ?? { color, hatched, share: 0 };
    known.share += segment.share;
    areas.set(key, known);
  }
  return [...areas].sort((a, b) => b[1].share - a[1].share).map(([key, { color, hatched, share }]) => {
    const swatch = make("span", { class: hatched ? "wb-swatch wb-hatched" : "wb-swatch" });
    swatch.style.backgroundColor = `rgb(${color.join(",")})`;
    return make("li", {}, swatch, make("span", { text: `${key} ${percent(share)}` }));
  });
}
