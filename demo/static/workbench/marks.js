// What is marked in the picture: regions that are selected, or the mask that tools draw, find and change.
import { fillHoles, smooth } from "./raster.js";
import { classOf } from "./scene.js";

const SIZE_STEP = 1.25;      // of the brush by [ and ]: a difference that is seen
const SIZE_SHARE = 0.02;     // of the picture's longer side: the brush to begin with
const LARGEST_SHARE = 0.25;  // of the same: the largest brush

export class Marks {
  constructor(bench) {
    Object.assign(this, { bench, scene: bench.scene, view: bench.view });
    this.size = 1;           // the brush's diameter, in the picture's pixels
  }

  say(text, isError) { this.bench.say(text, isError); }

  /** Selects a segment, with Shift one more or one less; where a mask is drawn Shift adds it to that, Alt subtracts it. */
  choose(place, keys = {}) {
    const { scene } = this, id = scene.answer.idAt(place);
    if (!id) return;
    if (scene.hasMask && (keys.shiftKey || keys.altKey)) {
      this.combine(scene.answer.pixelsOf(new Set([id])), keys.shiftKey ? "add" : "subtract", "region");
      return;
    }
    if (scene.hasMask) scene.mask.clear("letting go");
    if (keys.shiftKey || keys.altKey) { if (!scene.selected.delete(id) && keys.shiftKey) scene.selected.add(id); }
    else scene.selected = new Set([id]);
    this.bench.changed();
    const chosen = [...scene.selected].map((one) => classOf(scene.segment(one)));
    this.say(chosen.length ? `selected: ${chosen.join(", ")}` : "nothing is selected");
    if (!scene.selected.size) { this.bench.panel.hide(); return; }
    this.bench.server.send("select", scene.clicked(id, place));
    if (keys.pointerType === "mouse" && !keys.shiftKey) this.bench.node("name").focus({ preventScroll: true });
  }

  /** Asks the server for the object that a gesture means. */
  find(gesture, mode) {
    const { pictureNumber } = this.scene.answer;
    this.bench.server.send("apply", () => this.scene.answer.pictureNumber === pictureNumber ? gesture : null, { mode, doing: "looking for it" });
  }

  /** Takes what the server found. `again` says that it stands for what was found at the same point before. */
  found(pixels, mode, again) {
    const { mask } = this.scene;
    if (again && mask.nextUndo === "found") mask.undo();
    this.combine(pixels, mode, "found");
  }

  combine(pixels, mode, what) {
    const { scene } = this;
    if (mode !== "replace") scene.maskFromSelection("taking up the region");
    scene.selected = new Set();
    scene.mask.combine(pixels, mode, what);
    this.bench.changed();
    this.sayMarked(what);
  }

  /** Makes a step of what was done to the mask's pixels. */
  edit(what, more = "") {
    this.scene.mask.commit(what);
    this.bench.changed();
    this.sayMarked(what, more);
  }

  sayMarked(what, more = "") {
    const { mask } = this.scene, next = mask.area ? "Enter, then its name" : "nothing is marked";
    this.say(`${what}${more}: ${mask.area.toLocaleString("en")} px marked; ${next}`);
  }

  /** Does something to all of the mask, or to the selection as one. */
  reshape(what, change) {
    const { scene } = this;
    if (!scene.isMarked) { this.say("select a region or draw one first", true); return; }
    scene.maskFromSelection("taking up the region");
    change(scene.mask);
    this.edit(what);
  }

  join() { this.reshape("joined", () => {}); }

  fill() { this.reshape("filled", ({ pixels, width }) => fillHoles(pixels, width)); }

  smooth() { this.reshape("smoothed", ({ pixels, width, height }) => smooth(pixels, width, height, Math.max(1, Math.round(this.size / 4)))); }

  get longest() { return Math.max(this.scene.answer.width, this.scene.answer.height); }

  /** Sets the brush's diameter; without one, as it is for a new picture. */
  resize(size = Math.round(SIZE_SHARE * this.longest)) {
    this.size = Math.max(1, Math.min(Math.max(2, Math.round(LARGEST_SHARE * this.longest)), size));
    this.bench.node("size").textContent = `${this.size} px`;
    this.bench.redraw();
  }

  larger() { this.resize(Math.max(this.size + 1, Math.round(this.size * SIZE_STEP))); }

  smaller() { this.resize(Math.min(this.size - 1, Math.round(this.size / SIZE_STEP))); }
}
