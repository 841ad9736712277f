// Pointers on the canvas: the wheel, two fingers, space or the middle button move the picture; all else is the tool's.

const WHEEL_STEP = 1.0015;   // zoom of one unit of the wheel: a notch of a mouse is some 16 %
const TREMBLE_PX = 5;        // of the screen: a pointer that moves less is held still

export class Pointer {
  /** `bench` has the `view`, the `tool` in hand and whether a picture `isOpen`; it is told of places that are pointed at. */
  constructor(canvas, bench) {
    Object.assign(this, { canvas, bench });
    this.pointers = new Map();   // by id: where each is on the screen
    this.grip = null;            // what moves the picture: {moves, began, at, spread}
    this.spaceHeld = false;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.lose(event));
    canvas.addEventListener("pointerleave", () => bench.pointing.hover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Two fingers are the picture's, and one is where it draws or moves the picture; else it scrolls the page.
    canvas.addEventListener("touchmove", (event) => { if (event.touches.length > 1 || this.takesFinger) event.preventDefault(); }, { passive: false });
  }

  get takesFinger() { return this.bench.view.zoomed || this.bench.draws; }

  /** Whether a drag with the tool in hand moves a picture that is larger than the canvas. */
  get drags() { return this.bench.view.zoomed && !this.bench.draws; }

  down(event) {
    if (!this.bench.isOpen) return;
    const { canvas, bench } = this;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size > 1 || event.button === 1 || this.spaceHeld) {
      bench.tool.cancel();
      this.grip = { moves: true, ...this.hold() };
    } else if (!event.button && (bench.draws || bench.view.isOver(event))) {
      this.grip = this.drags ? { moves: false, ...this.hold() } : null;
      bench.down(bench.view.placeOf(event), event);
    }
    event.preventDefault();
  }

  move(event) {
    if (!this.bench.isOpen) return;
    const { bench, grip } = this;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (grip && this.pointers.size) {
      const now = this.hold(), [dx, dy] = now.at.map((at, i) => at - grip.at[i]);
      if (!grip.moves && Math.hypot(dx, dy) > TREMBLE_PX) { grip.moves = true; bench.tool.cancel(); }
      if (!grip.moves) return;
      const box = this.canvas.getBoundingClientRect();
      bench.view.pan(dx, dy);
      if (grip.spread && now.spread) bench.view.zoom(now.spread / grip.spread, [now.at[0] - box.left, now.at[1] - box.top]);
      this.grip = { ...grip, ...now };
    } else if (this.pointers.size) {
      // A mouse is asked for places more often than the screen shows anything.
      for (const one of event.getCoalescedEvents?.() ?? []) bench.move(bench.view.placeOf(one), one);
      bench.move(bench.view.placeOf(event), event);
    } else bench.pointing.hover(event);
  }

  up(event) {
    const known = this.pointers.delete(event.pointerId), moved = this.grip?.moves;
    if (this.pointers.size) { this.grip = { moves: true, ...this.hold() }; return; }
    this.grip = null;
    if (known && !moved) this.bench.up(this.bench.view.placeOf(event), event);
  }

  lose(event) {
    this.pointers.delete(event.pointerId);
    this.grip = null;
    this.bench.tool.cancel();
    this.bench.redraw();
  }

  /** Where the pointers hold the picture: their middle, and how far two are apart. */
  hold() {
    const places = [...this.pointers.values()], middle = [0, 1].map((i) => places.reduce((sum, place) => sum + place[i], 0) / places.length);
    const spread = places.length > 1 ? Math.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1]) : 0;
    return { at: middle, spread };
  }

  wheel(event) {
    if (!this.bench.isOpen) return;
    const box = this.canvas.getBoundingClientRect(), pixels = event.deltaY * (event.deltaMode ? 30 : 1) * (event.ctrlKey ? 6 : 1);
    // Where it can get no smaller the page scrolls.
    if (this.bench.view.zoom(WHEEL_STEP ** -pixels, [event.clientX - box.left, event.clientY - box.top])) event.preventDefault();
  }
}
