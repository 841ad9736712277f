// The mask under work, drawn by hand or found for a gesture, at the picture's own pixels; every change can be undone.
import { paintLine } from "./raster.js";
import { runsOf, restore } from "./runs.js";

const MOST_STEPS = 200;   // of undo: hours of strokes; each keeps the mask's run lengths, some kB

export class HandMask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height);
    this.forget();
  }

  get isEmpty() { return !this.area && !this.touched; }

  /** Number of pixels inside, as of the last step. */
  get area() { return this.steps[this.at].area; }

  get nextUndo() { return this.at ? this.steps[this.at].what : null; }

  get nextRedo() { return this.steps[this.at + 1]?.what ?? null; }

  /** Keeps the pixels as they are now as one step, which `what` names. */
  commit(what) {
    const runs = runsOf(this.pixels), area = runs.reduce((sum, length, i) => sum + (i & 1 ? length : 0), 0);
    this.steps.splice(this.at + 1, Infinity, { what, runs, area });
    if (this.steps.length > MOST_STEPS) this.steps.shift();
    this.at = this.steps.length - 1;
    this.touched = false;
  }

  /** Sets the pixels along a line, `size` wide, to 1 or 0; `commit` makes a step of all that was painted. */
  paint(from, to, size, value) {
    paintLine(this.pixels, this.width, this.height, from, to, size, value);
    this.touched = true;
  }

  /** Takes back what was painted since the last step. */
  rollBack() {
    restore(this.pixels, this.steps[this.at].runs);
    this.touched = false;
  }

  undo() { return this.step(-1, this.nextUndo); }

  redo() { return this.step(1, this.nextRedo); }

  step(by, what) {
    this.at += by;
    this.rollBack();
    return what;
  }

  /** Takes another mask's pixels in place of its own, or adds or subtracts them: mode `replace`, `add`, `subtract`. */
  combine(other, mode, what) {
    if (mode === "replace") this.pixels.set(other);
    else for (let i = 0; i < other.length; i++) if (other[i]) this.pixels[i] = mode === "add" ? 1 : 0;
    this.commit(what);
  }

  /** Empties it, as a step of its own. */
  clear(what) {
    this.pixels.fill(0);
    this.commit(what);
  }

  /** Empties it and forgets its steps: what was drawn has been taught, or its picture is gone. */
  forget() {
    this.pixels.fill(0);
    this.steps = [{ what: null, runs: Uint32Array.of(this.pixels.length), area: 0 }];
    this.at = 0;
    this.touched = false;
  }

  /** All of its state, to be had back by `resume` if what it was sent for fails. */
  get state() { return { steps: [...this.steps], at: this.at }; }

  resume({ steps, at }) {
    this.steps = steps;
    this.at = at;
    this.rollBack();
  }
}
