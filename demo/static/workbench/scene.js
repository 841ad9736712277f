// What is open: the picture, its current answer, and what is selected, marked or pointed at in it. It draws nothing.
import { HandMask } from "./mask.js";
import { encodeMask } from "./runs.js";

/** An answer of the server for one picture; never changed, so that what was clicked in it stays what was meant. */
export class Answer {
  constructor({ version, segments, size: [width, height] }, ids, pictureNumber) {
    Object.assign(this, { version, segments, width, height, ids, pictureNumber });
    this.byId = new Map(segments.map((segment) => [segment.segment_id, segment]));
  }

  /** The id of the segment at a place, 0 outside. */
  idAt([x, y]) {
    const inside = x >= 0 && y >= 0 && x < this.width && y < this.height;
    return inside ? this.ids[Math.floor(y) * this.width + Math.floor(x)] : 0;
  }

  /** The pixels of some segments together. */
  pixelsOf(chosen) {
    const pixels = new Uint8Array(this.ids.length);
    for (let i = 0; i < pixels.length; i++) if (chosen.has(this.ids[i])) pixels[i] = 1;
    return pixels;
  }
}

export const classOf = (segment) => segment.class ?? "unknown";

export class Scene {
  constructor() {
    this.picture = null;      // an image of it, reduced to what a screen shows
    this.answer = null;
    this.mask = null;         // what is taught if it is not empty; then nothing is selected
    this.selected = new Set();
    this.hovered = 0;
    this.detailed = false;    // whether `picture` has all of its pixels
  }

  get isOpen() { return this.answer !== null; }

  get hasMask() { return this.mask !== null && !this.mask.isEmpty; }

  get isMarked() { return this.hasMask || this.selected.size > 0; }

  segment(id) { return this.answer.byId.get(id); }

  /** Takes a new picture with its answer. */
  open(picture, answer, detailed) {
    Object.assign(this, { picture, answer, detailed, selected: new Set(), hovered: 0 });
    this.mask = new HandMask(answer.width, answer.height);
  }

  /** Takes a new answer for the same picture; what lies where something was selected stays selected. */
  relabel(answer) {
    const anchors = [...this.selected].map((id) => this.segment(id).anchor);
    this.answer = answer;
    this.selected = new Set(anchors.map((place) => answer.idAt(place)).filter((id) => id));
    this.hovered = 0;
  }

  /** Makes a mask of what is selected, as a step of its own, so that it can be drawn on. */
  maskFromSelection(what) {
    if (!this.selected.size) return;
    this.mask.combine(this.answer.pixelsOf(this.selected), "replace", what);
    this.selected = new Set();
  }

  /**
   * What is marked now, as a function that says it to the server when that is asked: the picture may be relabelled
   * until then, and the segments that were meant are then sent as a mask. It gives null once another picture is open.
   */
  marked() {
    const { answer, selected } = this, mask = this.hasMask ? encodeMask(this.mask.pixels, answer.width) : null;
    return () => {
      if (this.answer.pictureNumber !== answer.pictureNumber) return null;
      if (mask) return { segments: [], mask };
      if (this.answer.version === answer.version) return { segments: [...selected], version: answer.version };
      return { segments: [], mask: encodeMask(answer.pixelsOf(selected), answer.width) };
    };
  }

  /** The same for one segment that was clicked, by its place. */
  clicked(id, place) {
    const { answer } = this;
    return () => {
      if (this.answer.pictureNumber !== answer.pictureNumber) return null;
      const now = this.answer.version === answer.version ? id : this.answer.idAt(place);
      return now ? { segment: now, version: this.answer.version } : null;
    };
  }
}
