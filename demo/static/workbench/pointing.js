// Where the picture is pointed at, by a pointer or by the keyboard's pen, and what is said of that place.
import { percent } from "./dom.js";
import { classOf } from "./scene.js";

export class Pointing {
  constructor(bench) {
    Object.assign(this, { bench, scene: bench.scene, view: bench.view });
    this.place = null;       // under the pointer
    this.last = null;        // the event that said so
    this.pen = null;         // where the arrow keys have moved it
    this.stepped = 0;        // the segment that , and . have gone to
  }

  get tool() { return this.bench.tool; }

  /** Forgets pen and step: the picture, its answer or the tool is another. */
  reset() {
    this.pen = null;
    this.stepped = 0;
    this.scene.hovered = 0;
  }

  /** Where a pointer is that is not down, by its event; null outside of the picture. */
  hover(event) {
    const { scene } = this, tip = this.bench.node("tip");
    this.last = event;
    if (!scene.isOpen) return;
    if (event && !this.view.isOver(event)) event = null;
    this.place = event && this.view.placeOf(event);
    this.tool.isDrawing && this.tool.move(this.place ?? this.tool.corners.at(-1));
    const id = event ? scene.answer.idAt(this.place) : 0;
    tip.hidden = !id || this.tool.isDrawing;
    if (!tip.hidden) {
      const segment = scene.segment(id), box = this.bench.node("stage").getBoundingClientRect();
      tip.textContent = `${classOf(segment)} · ${percent(segment.confidence)}`;
      tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 4)}px`;
      tip.style.top = `${Math.max(0, event.clientY - box.top - 30)}px`;
    }
    const hovered = this.bench.toolName === "select" ? id : 0;
    if (hovered !== scene.hovered || this.bench.draws) { scene.hovered = hovered; this.bench.redraw(); }
  }

  sketch(paint, scale) {
    paint.strokeStyle = "#ffff00";
    const pointer = this.pen ?? this.place;
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
    this.bench.say(`${classOf(segment)}, ${percent(segment.share)} of the picture, confidence ${percent(segment.confidence)}`);
    this.bench.redraw();
  }

  get middle() {
    return [this.view.left + this.bench.canvas.clientWidth / this.view.scale / 2, this.view.top + this.bench.canvas.clientHeight / this.view.scale / 2];
  }

  movePen([dx, dy], step, keys) {
    const within = (at, size) => Math.max(0, Math.min(size - 0.5, at)), by = Math.max(1, step / this.view.scale);
    const [x, y] = this.pen ?? this.middle;
    this.pen = [within(x + dx * by, this.view.width), within(y + dy * by, this.view.height)];
    if (this.tool.isDown) this.tool.move(this.pen, keys);
    this.bench.say(`pen at ${this.pen.map(Math.round).join(", ")}`);
    this.bench.redraw();
  }

  /** Enter on the canvas: takes the region that was stepped to, sets the pen down or lifts it, or goes to the name. */
  enter(keys) {
    const { scene, tool } = this;
    if (this.bench.toolName === "select" && this.stepped) {
      this.bench.marks.choose(scene.segment(this.stepped).anchor, keys);
      if (!keys.shiftKey) this.bench.node("name").focus();
      return true;
    }
    if (scene.isMarked && !this.pen) { this.bench.node("name").focus(); return true; }
    if (this.bench.toolName === "select") return false;
    this.pen ??= this.middle;
    const lifts = tool.isDown, clicks = ["part", "polygon"].includes(this.bench.toolName);
    if (!lifts) tool.down(this.pen, keys);
    if (lifts || clicks) tool.up(this.pen, keys);
    else this.bench.say("pen down: move with the arrow keys, Enter again when done");
    return this.bench.redraw();
  }
}
