// The workbench: what the tools, the keys and the buttons do, and what the page says of it.
import { percent } from "./dom.js";
import { legendOf } from "./colors.js";
import { firstToTeach, hintFor } from "./hint.js";
import { Painter } from "./paint.js";
import { Panel } from "./panel.js";
import { Pointer } from "./pointer.js";
import { fillHoles, smooth } from "./raster.js";
import { classOf, Scene } from "./scene.js";
import { makeTools } from "./tools.js";
import { View } from "./view.js";

const TALLEST = "var(--tallest)";   // a tall picture is shown whole on the screen, with the tools above it
const SIZE_STEP = 1.25;             // of the brush by [ and ]: a difference that is seen
const SIZE_SHARE = 0.02;            // of the picture's longer side: the brush to begin with
const LARGEST_SHARE = 0.25;         // of the same: the largest brush

export class Bench {
  /** `node` gives the elements by name, `server` takes acts. */
  constructor(node, server) {
    Object.assign(this, { node, server, canvas: node("canvas"), scene: new Scene(), size: 1, readOnly: false });
    this.view = new View(this.canvas, () => this.redraw(true));
    this.tools = makeTools(this);
    this.panel = new Panel(node, {
      wrong: ({ instance_id }) => server.send("delete", () => ({ instance_id })),
      name: (text) => { node("name").value = text; node("name").focus(); },
    });
    this.painter = new Painter(this.scene, this.view, node("picture"), this.canvas, () => ({
      view: node("view").value,
      opacity: Math.round(2.55 * node("opacity").value),
      sketch: (paint, scale) => this.sketch(paint, scale),
    }));
    this.pen = null;                // where the arrow keys have moved it
    this.pointedAt = null;          // where the pointer is in the picture
    this.lastHover = null;          // the event that said so
    this.stepped = 0;               // the segment that , and . have gone to
    this.undone = { undo: null, redo: null };   // what the server would take back, and do again
    this.pointer = new Pointer(this.canvas, this);
  }

  get isOpen() { return this.scene.isOpen; }

  get toolName() { return this.node("tools").querySelector("input:checked").value; }

  get tool() { return this.tools[this.toolName]; }

  /** Whether a drag with the tool in hand draws. */
  get draws() { return !["select", "part"].includes(this.toolName); }

  say(text, isError = false) {
    this.node("status").textContent = text;
    this.node("status").classList.toggle("wb-error", isError);
  }

  /** Another tool was taken in hand. */
  takeUp() {
    for (const tool of Object.values(this.tools)) tool.cancel();
    this.pen = null;
    this.scene.hovered = 0;
    this.canvas.classList.toggle("wb-drawing", this.draws);
    this.redraw();
  }

  redraw(picture = false) {
    this.painter.request(picture);
    this.placeHint();
    if (picture) this.showZoom();
  }

  // ---- answers ------------------------------------------------------------------------------------------------------

  /** A picture with its first answer; `detailed` says whether it has all of its pixels. */
  open(picture, answer, detailed) {
    this.scene.open(picture, answer, detailed);
    for (const tool of Object.values(this.tools)) tool.cancel();
    this.pen = null;
    this.resize(Math.max(2, Math.round(SIZE_SHARE * Math.max(answer.width, answer.height))));
    this.node("frame").style.width = `min(100%, ${TALLEST} * ${answer.width / answer.height})`;
    this.node("frame").style.aspectRatio = `${answer.width} / ${answer.height}`;
    this.node("empty").hidden = true;
    this.view.open(answer.width, answer.height);
    this.answered();
  }

  relabel(answer) {
    this.scene.relabel(answer);
    this.answered();
  }

  answered() {
    this.stepped = 0;
    this.panel.hide();
    this.showAnswer();
    this.hover(this.lastHover);
  }

  showAnswer() {
    this.node("legend").replaceChildren(...legendOf(this.scene.answer.segments, this.node("view").value));
    this.redraw();
  }

  /** The picture with all of its pixels, in place of the reduced one. */
  detail(picture) {
    Object.assign(this.scene, { picture, detailed: true });
    this.redraw(true);
  }

  /** Says which acts Undo and Redo are: steps of the mask first, then what the server did. */
  showUndo() {
    const { mask } = this.scene;
    for (const [name, what] of [["undo", mask?.nextUndo ?? this.undone.undo], ["redo", mask?.nextRedo ?? this.undone.redo]]) {
      const button = this.node(name), key = name === "undo" ? "Ctrl+Z" : "Ctrl+Y";
      button.setAttribute("aria-disabled", String(!what));   // not `disabled`, which would take the focus from it
      button.title = what ? `${name} ${what} (${key})` : `nothing to ${name} (${key})`;
    }
  }

  // ---- what is marked -----------------------------------------------------------------------------------------------

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
    this.changed();
    const chosen = [...scene.selected].map((one) => classOf(scene.segment(one)));
    this.say(chosen.length ? `selected: ${chosen.join(", ")}` : "nothing is selected");
    if (!scene.selected.size) { this.panel.hide(); return; }
    this.server.send("select", scene.clicked(id, place));
    if (keys.pointerType === "mouse" && !keys.shiftKey) this.node("name").focus({ preventScroll: true });
  }

  /** Asks the server for the object that a gesture means. */
  find(gesture, mode) {
    const { pictureNumber } = this.scene.answer;
    this.server.send("apply", () => this.scene.answer.pictureNumber === pictureNumber ? gesture : null, { mode, doing: "looking for it" });
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
    this.changed();
    this.sayMarked(what);
  }

  /** Makes a step of what was done to the mask's pixels. */
  edit(what, more = "") {
    this.scene.mask.commit(what);
    this.changed();
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

  changed() {
    this.node("panel").hidden ||= this.scene.hasMask;
    if (this.scene.hasMask) this.panel.suggest([]);
    this.showUndo();
    this.redraw();
  }

  /** Lets go: of the gesture, or else of what is marked. */
  escape() {
    const { scene } = this;
    const under = this.tool.isDown || this.tool.isDrawing || this.pen;
    this.tool.cancel();
    this.pen = null;
    this.stepped = 0;
    if (!under && scene.isOpen) {
      if (scene.hasMask) scene.mask.clear("letting go");
      scene.selected = new Set();
      scene.hovered = 0;
      this.panel.hide();
      this.say("");
      this.canvas.focus({ preventScroll: true });
    }
    this.changed();
  }

  undo() { this.takeBack("undo", "nextUndo", "undo"); }

  redo() { this.takeBack("redo", "nextRedo", "retry"); }

  takeBack(name, next, event) {
    const { mask } = this.scene;
    if (mask?.[next]) {
      const what = mask[name]();
      this.scene.selected = new Set();
      this.changed();
      this.say(`${name === "undo" ? "undone" : "done again"}: ${what}`);
    } else this.server.send(event, () => ({}));   // which says so if there is nothing
  }

  teach() {
    const { scene } = this, field = this.node("name"), name = field.value;
    if (!scene.isMarked) { this.say("select a region of the picture first, or draw one", true); return; }
    if (!name.trim()) { this.say("type a name for what is marked first", true); return; }
    const marked = scene.marked(), { pictureNumber } = scene.answer, mask = scene.mask.state, selected = scene.selected;
    field.value = "";
    scene.selected = new Set();
    scene.mask.forget();
    this.changed();
    this.server.send("submit", () => { const what = marked(); return what && { name, ...what }; }, {
      doing: `teaching ${name.trim()}`,
      failed: () => {
        // What was drawn must not be lost, unless something else is under work by now.
        field.value ||= name;
        if (scene.answer.pictureNumber !== pictureNumber || scene.isMarked) return;
        scene.mask.resume(mask);
        scene.selected = new Set([...selected].filter((id) => scene.segment(id)));
        this.changed();
      },
    });
  }

  // ---- pointing -----------------------------------------------------------------------------------------------------

  down(place, keys) {
    this.pen = null;
    this.node("tip").hidden = true;
    this.scene.hovered = 0;
    this.tool.down(place, keys);
    this.redraw();
  }

  move(place, keys) {
    this.pointedAt = place;
    this.tool.move(place, keys);
    this.redraw();
  }

  up(place, keys) {
    if (this.tool.isDown) this.tool.up(place, keys);
    this.redraw();
  }

  /** Where a pointer is that is not down, by its event; null outside of the picture. */
  hover(event) {
    const { scene } = this, tip = this.node("tip");
    this.lastHover = event;
    if (!scene.isOpen) return;
    this.pointedAt = event && this.view.placeOf(event);
    this.tool.isDrawing && this.tool.move(this.pointedAt ?? this.tool.corners.at(-1));
    const id = event ? scene.answer.idAt(this.pointedAt) : 0;
    tip.hidden = !id || this.tool.isDrawing;
    if (!tip.hidden) {
      const segment = scene.segment(id), box = this.node("stage").getBoundingClientRect();
      tip.textContent = `${classOf(segment)} · ${percent(segment.confidence)}`;
      tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 4)}px`;
      tip.style.top = `${Math.max(0, event.clientY - box.top - 30)}px`;
    }
    const hovered = this.toolName === "select" ? id : 0;
    if (hovered !== scene.hovered || this.draws) { scene.hovered = hovered; this.redraw(); }
  }

  sketch(paint, scale) {
    paint.strokeStyle = "#ffff00";
    const pointer = this.pen ?? this.pointedAt;
    this.tool.sketch(paint, scale, pointer);
    if (!this.pen) return;
    const [x, y] = this.pen, arm = 10 / scale;
    paint.lineWidth = 2 / scale;
    paint.beginPath();
    paint.moveTo(x - arm, y); paint.lineTo(x + arm, y); paint.moveTo(x, y - arm); paint.lineTo(x, y + arm);
    paint.stroke();
  }

  /** Goes from segment to segment, by falling size. */
  stepTo(direction) {
    const { scene } = this, order = [...scene.answer.segments].sort((a, b) => b.share - a.share).map((segment) => segment.segment_id);
    if (!order.length) return;
    this.stepped = order[(order.indexOf(this.stepped) + direction + order.length) % order.length] ?? order[0];
    scene.hovered = this.stepped;
    const segment = scene.segment(this.stepped);
    this.say(`${classOf(segment)}, ${percent(segment.share)} of the picture, confidence ${percent(segment.confidence)}`);
    this.redraw();
  }

  get middle() {
    return [this.view.left + this.canvas.clientWidth / this.view.scale / 2, this.view.top + this.canvas.clientHeight / this.view.scale / 2];
  }

  movePen([dx, dy], step, keys) {
    const within = (at, size) => Math.max(0, Math.min(size - 0.5, at)), by = Math.max(1, step / this.view.scale);
    const [x, y] = this.pen ?? this.middle;
    this.pen = [within(x + dx * by, this.view.width), within(y + dy * by, this.view.height)];
    if (this.tool.isDown) this.tool.move(this.pen, keys);
    this.say(`pen at ${this.pen.map(Math.round).join(", ")}`);
    this.redraw();
  }

  /** Enter on the canvas: takes the region that was stepped to, sets the pen down or lifts it, or goes to the name. */
  enter(keys) {
    const { scene, tool } = this;
    if (this.toolName === "select" && this.stepped) {
      this.choose(scene.segment(this.stepped).anchor, keys);
      if (!keys.shiftKey) this.node("name").focus();
      return true;
    }
    if (scene.isMarked && !this.pen) { this.node("name").focus(); return true; }
    if (this.toolName === "select") return false;
    this.pen ??= this.middle;
    if (!tool.isDown) tool.down(this.pen, keys);
    else if (!this.draws || this.toolName !== "polygon") { tool.up(this.pen, keys); return this.redraw(); }
    if (["part", "polygon"].includes(this.toolName)) tool.up(this.pen, keys);
    else this.say("pen down: move with the arrow keys, Enter again when done");
    return this.redraw();
  }

  // ---- view and size ------------------------------------------------------------------------------------------------

  /** Sets the brush's diameter, in the picture's pixels. */
  resize(size) {
    const largest = Math.max(2, Math.round(LARGEST_SHARE * Math.max(this.view.width, this.view.height, this.scene.answer.width, this.scene.answer.height)));
    this.size = Math.max(1, Math.min(largest, size));
    this.node("size").textContent = `${this.size} px`;
    this.redraw();
  }

  larger() { this.resize(Math.max(this.size + 1, Math.round(this.size * SIZE_STEP))); }

  smaller() { this.resize(Math.min(this.size - 1, Math.round(this.size / SIZE_STEP))); }

  showZoom() {
    const { view, scene } = this;
    this.node("scale").textContent = `${Math.round(100 * view.scale * view.dense)} %`;
    this.canvas.classList.toggle("wb-zoomed", view.zoomed);
    // Only who looks closely needs all of the pixels.
    if (!scene.isOpen || scene.detailed || this.asksDetail === scene.answer.pictureNumber || view.scale * view.dense * view.width <= scene.picture.width) return;
    const number = this.asksDetail = scene.answer.pictureNumber;
    this.server.send("expand", () => scene.answer.pictureNumber === number ? {} : null, { doing: "fetching all pixels" });
  }

  placeHint() {
    const hint = this.node("hint"), { scene } = this;
    const segment = scene.isOpen && !this.readOnly && !scene.isMarked && !this.undone.undo && !this.undone.redo ? firstToTeach(scene.answer.segments) : null;
    hint.hidden = !segment;
    if (!segment) return;
    const [x, y] = this.view.onCanvas(segment.anchor), frame = this.canvas;
    hint.textContent = hintFor(segment);
    const left = Math.max(4, Math.min(x - 24, frame.clientWidth - hint.offsetWidth - 4)), above = y > hint.offsetHeight + 24;
    hint.style.left = `${left}px`;
    hint.style.top = `${above ? y - hint.offsetHeight - 14 : y + 14}px`;
    hint.style.setProperty("--arrow", `${Math.max(10, Math.min(x - left, hint.offsetWidth - 10))}px`);
    hint.classList.toggle("wb-below", !above);
  }
}
