// The tools: what a pointer, or the pen that the arrow keys move, does to the picture. Places are in its pixels.
import { cut, polygonMask } from "./raster.js";

const STROKE_SHARE = 0.012;   // a scribble's width, of the picture's longer side
const CLOSE_PX = 9;           // of the screen: a corner so near to the first one closes a polygon
const LEAST_BOX_PX = 2;       // a box that is smaller was a click

/** How what is found or drawn meets what is marked already: Shift adds, Alt subtracts. */
const modeOf = (keys) => keys.shiftKey ? "add" : keys.altKey ? "subtract" : "replace";

/**
 * The tools by name. `marks` have the `scene` and the `view`, and do what tools ask for: `choose`, `find`, `combine`,
 * `edit`, `say`; `size` is the brush's diameter in the picture's pixels.
 *
 * A tool has `down`, `move`, `up` (the gesture's end), `cancel`, and `sketch`, which draws the gesture under way.
 */
export function makeTools(marks) {
  return {
    select: new Click((place, keys) => marks.choose(place, keys)),
    part: new Click((place, keys) => marks.find({ point: place.map(Math.floor) }, modeOf(keys))),
    box: new Box(marks),
    scribble: new Scribble(marks),
    brush: new Brush(marks, 1),
    eraser: new Brush(marks, 0),
    polygon: new Polygon(marks),
    cut: new Cut(marks),
  };
}

class Tool {
  constructor(marks) { this.marks = marks; this.cancel(); }

  /** Whether a gesture is under way. */
  get isDown() { return this.points !== null; }

  cancel() { this.points = null; }

  down(place) { this.points = [place]; }

  move(place) { this.points?.push(place); }

  sketch() {}
}

class Click extends Tool {
  constructor(act) { super(null); this.act = act; }

  move() {}

  up(place, keys) { this.cancel(); this.act(place, keys); }
}

class Box extends Tool {
  get corners() {
    const [[ax, ay], [bx, by]] = [this.points[0], this.points.at(-1)];
    return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
  }

  up(place, keys) {
    this.move(place);
    const [x0, y0, x1, y1] = this.corners;
    this.cancel();
    if (x1 - x0 < LEAST_BOX_PX || y1 - y0 < LEAST_BOX_PX) return;
    this.marks.find({ box: [Math.floor(x0), Math.floor(y0), Math.ceil(x1), Math.ceil(y1)] }, modeOf(keys));
  }

  sketch(paint, scale) {
    if (!this.isDown) return;
    const [x0, y0, x1, y1] = this.corners;
    paint.lineWidth = 2 / scale;
    paint.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
}

class Scribble extends Tool {
  get width() { return Math.max(3, STROKE_SHARE * Math.max(this.marks.view.width, this.marks.view.height)); }

  up(place, keys) {
    const strokes = [this.points.map(([x, y]) => [x - 0.5, y - 0.5])];
    this.cancel();
    this.marks.find({ strokes, width: this.width }, modeOf(keys));
  }

  sketch(paint) {
    if (!this.isDown) return;
    paint.lineWidth = this.width;
    trace(paint, this.points);
  }
}

/** Brush and eraser; Alt makes one the other. */
class Brush extends Tool {
  constructor(marks, value) { super(marks); this.value = value; }

  down(place, keys) {
    super.down(place);
    this.sets = keys.altKey ? 1 - this.value : this.value;
    this.marks.scene.maskFromSelection("taking up the region");
    this.paint(place, place);
  }

  move(place) {
    if (!this.isDown) return;
    this.paint(this.points.at(-1), place);
    super.move(place);
  }

  up() {
    this.points = null;
    this.marks.edit(this.sets ? "brush stroke" : "eraser stroke");
  }

  cancel() {
    if (this.points) this.marks.scene.mask.rollBack();
    this.points = null;
  }

  paint(from, to) {
    this.marks.scene.mask.paint(from, to, this.marks.size, this.sets);
  }

  sketch(paint, scale, pointer) {
    if (!pointer) return;
    paint.lineWidth = 1.5 / scale;
    paint.beginPath();
    paint.arc(pointer[0], pointer[1], this.marks.size / 2, 0, 2 * Math.PI);
    paint.stroke();
  }
}

/** Corner by corner; a corner at the first one, or twice the same one, closes it. */
class Polygon extends Tool {
  get isDrawing() { return this.corners.length > 0; }

  cancel() { super.cancel(); this.corners = []; }

  move(place) { this.pointer = place; }

  up(place, keys) {
    this.points = null;
    const near = (corner) => Math.hypot(corner[0] - place[0], corner[1] - place[1]) * this.marks.view.scale < CLOSE_PX;
    const closes = this.corners.length > 2 && (near(this.corners[0]) || near(this.corners.at(-1)));
    if (closes) this.close(keys);
    else {
      this.corners.push(place);
      this.marks.say(this.corners.length < 3 ? "click the next corner" : "click the next corner, or the first one to close; Backspace takes the last one back");
    }
  }

  close(keys) {
    const { width, height } = this.marks.scene.mask, pixels = polygonMask(this.corners, width, height);
    this.cancel();
    this.marks.combine(pixels, modeOf(keys), "polygon");
  }

  /** Takes the last corner back; whether there was one. */
  back() { return this.corners.pop() !== undefined; }

  sketch(paint, scale, pointer) {
    if (!this.isDrawing) return;
    paint.lineWidth = 2 / scale;
    trace(paint, pointer ? [...this.corners, pointer] : this.corners);
    paint.fillStyle = "#ffff00";
    for (const [x, y] of this.corners) paint.fillRect(x - 3 / scale, y - 3 / scale, 6 / scale, 6 / scale);
  }
}

/** A line through the mask; the larger side stays, with Alt the smaller. */
class Cut extends Tool {
  up(place, keys) {
    this.move(place);
    const points = this.points, { scene } = this.marks;
    this.cancel();
    scene.maskFromSelection("taking up the region");
    if (!scene.hasMask) { this.marks.say("select or draw what is to be cut first", true); return; }
    const { pixels, width, height } = scene.mask;
    if (cut(pixels, width, height, points, !keys.altKey)) this.marks.edit("cut", `; the ${keys.altKey ? "smaller" : "larger"} side is kept${keys.altKey ? "" : ", with Alt the smaller"}`);
    else this.marks.say("this line divides nothing; draw it from one side of what is marked to the other", true);
  }

  sketch(paint, scale) {
    if (!this.isDown) return;
    paint.lineWidth = 2 / scale;
    trace(paint, this.points);
  }
}

function trace(paint, points) {
  paint.lineCap = paint.lineJoin = "round";
  paint.beginPath();
  points.forEach(([x, y]) => paint.lineTo(x, y));
  paint.stroke();
}
