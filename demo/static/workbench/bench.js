// The workbench: what the tools, the keys and the buttons do, and what the page says of it.
import { legendOf } from "./colors.js";
import { placeHint } from "./hint.js";
import { Marks } from "./marks.js";
import { Painter } from "./paint.js";
import { Panel } from "./panel.js";
import { Pointer } from "./pointer.js";
import { Pointing } from "./pointing.js";
import { Scene } from "./scene.js";
import { makeTools } from "./tools.js";
import { View } from "./view.js";

export class Bench {
  /** `node` gives the elements by name, `server` takes acts. */
  constructor(node, server) {
    Object.assign(this, { node, server, canvas: node("canvas"), scene: new Scene(), readOnly: false });
    this.view = new View(this.canvas, () => this.redraw(true));
    this.marks = new Marks(this);
    this.pointing = new Pointing(this);
    this.tools = makeTools(this.marks);
    this.panel = new Panel(node, {
      wrong: ({ instance_id }) => server.send("delete", () => ({ instance_id })),
      name: (text) => { node("name").value = text; node("name").focus(); },
    });
    this.painter = new Painter(this.scene, this.view, node("picture"), this.canvas, () => ({
      view: node("view").value,
      opacity: Math.round(2.55 * node("opacity").value),
      sketch: (paint, scale) => this.pointing.sketch(paint, scale),
    }));
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
    this.pointing.reset();
    this.canvas.classList.toggle("wb-drawing", this.draws);
    this.redraw();
  }

  redraw(picture = false) {
    this.painter.request(picture);
    placeHint(this.node("hint"), !this.readOnly && !this.undone.undo && !this.undone.redo, this);
    if (picture) this.showZoom();
  }

  // ---- answers ------------------------------------------------------------------------------------------------------

  /** A picture with its first answer; `detailed` says whether it has all of its pixels. */
  open(picture, answer, detailed) {
    this.scene.open(picture, answer, detailed);
    for (const tool of Object.values(this.tools)) tool.cancel();
    this.marks.resize();
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
    this.pointing.reset();
    this.panel.hide();
    this.showAnswer();
    this.pointing.hover(this.pointing.last);
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

  changed() {
    this.node("panel").hidden ||= this.scene.hasMask;
    if (this.scene.hasMask) this.panel.suggest([]);
    this.showUndo();
    this.redraw();
  }

  /** Lets go: of the gesture, or else of what is marked. */
  escape() {
    const { scene } = this;
    const under = this.tool.isDown || this.tool.isDrawing || this.pointing.pen;
    this.tool.cancel();
    this.pointing.reset();
    if (!under && scene.isOpen) {
      if (scene.hasMask) scene.mask.clear("letting go");
      scene.selected = new Set();
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
    this.pointing.reset();
    this.node("tip").hidden = true;
    this.tool.down(place, keys);
    this.redraw();
  }

  move(place, keys) {
    this.pointing.place = place;
    this.tool.move(place, keys);
    this.redraw();
  }

  up(place, keys) {
    if (this.tool.isDown) this.tool.up(place, keys);
    this.redraw();
  }

  // ---- view --------------------------------------------------------------------------------------------------------

  showZoom() {
    const { view, scene } = this;
    this.node("scale").textContent = `${Math.round(100 * view.scale * view.dense)} %`;
    this.canvas.classList.toggle("wb-zoomed", view.zoomed);
    // Only who looks closely needs all of the pixels.
    if (!scene.isOpen || scene.detailed || this.asksDetail === scene.answer.pictureNumber || view.scale * view.dense * view.width <= scene.picture.width) return;
    const number = this.asksDetail = scene.answer.pictureNumber;
    this.server.send("expand", () => scene.answer.pictureNumber === number ? {} : null, { doing: "fetching all pixels" });
  }
}
