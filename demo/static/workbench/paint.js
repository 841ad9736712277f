// The canvas: the picture below, and above it, made anew for each pixel of the screen, what is known and marked in it.
import { colorOf } from "./colors.js";
import { classOf } from "./scene.js";

const MOST_LABELS = 24;                                   // names on the picture; more of them hide it
const LABELLED_SHARE = { named: 0.004, unknown: 0.04 };   // of the picture: smaller segments have no room for a name
const MARKED = [255, 255, 0], MARKED_ALPHA = 150;         // over what is selected, drawn or found: the picture is seen through
const HOVERED_ALPHA = 90, HATCH_PX = 12;                  // from line to line of what is unknown, on the screen
const BORDER = 0xffffffff, MASK_BORDER = 0xff000000;      // ABGR
const UNKNOWN = 1, SELECTED = 2, HOVERED = 4;             // flags of a segment

const pack = ([red, green, blue], alpha) => (alpha << 24 | blue << 16 | green << 8 | red) >>> 0;

export class Painter {
  /** `look()` says which `view` of the answer is shown, with which `opacity` in 0 to 255, and what `sketch`es on it. */
  constructor(scene, view, below, above, look) {
    Object.assign(this, { scene, view, below, above, look });
    this.pictureDue = this.due = false;
  }

  /** Draws at the next frame; `picture` says whether the picture below has changed as well. */
  request(picture = false) {
    this.pictureDue ||= picture;
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  draw() {
    if (!this.scene.isOpen || !this.above.clientWidth) return;
    const dense = this.view.dense, size = [this.above.clientWidth, this.above.clientHeight].map((side) => Math.round(side * dense));
    if (this.pictureDue || this.below.width !== size[0] || this.below.height !== size[1]) this.drawPicture(size, dense);
    if (this.above.width !== size[0] || this.above.height !== size[1]) [this.above.width, this.above.height] = size;
    const paint = this.above.getContext("2d"), { scale, left, top } = this.view;
    this.drawAnswer(paint, size, scale * dense);
    paint.setTransform(scale * dense, 0, 0, scale * dense, -left * scale * dense, -top * scale * dense);
    const look = this.look();
    this.drawLabels(paint, scale);
    look.sketch(paint, scale);
    paint.resetTransform();
  }

  drawPicture(size, dense) {
    this.pictureDue = false;
    [this.below.width, this.below.height] = size;
    const paint = this.below.getContext("2d"), { scale, left, top, width, height, zoomed } = this.view;
    paint.imageSmoothingEnabled = !zoomed || scale * dense < 1;
    paint.imageSmoothingQuality = "high";
    paint.setTransform(scale * dense, 0, 0, scale * dense, -left * scale * dense, -top * scale * dense);
    paint.drawImage(this.scene.picture, 0, 0, width, height);
  }

  drawAnswer(paint, [across, down], scale) {
    const { answer, selected, hovered, mask, hasMask } = this.scene, { ids, width, height } = answer, { view, opacity } = this.look();
    const colors = new Uint32Array(65536), flags = new Uint8Array(65536);
    for (const segment of answer.segments) {
      const id = segment.segment_id;
      colors[id] = pack(colorOf(segment, view), opacity);
      flags[id] = (segment.class === null ? UNKNOWN : 0) | (selected.has(id) ? SELECTED : 0) | (id === hovered ? HOVERED : 0);
    }
    const hatch = pack([255, 255, 255], opacity >> 1), border = pack([255, 255, 255], Math.min(255, opacity + 60));
    const marked = pack(MARKED, MARKED_ALPHA), pointed = pack([255, 255, 255], HOVERED_ALPHA);
    const step = Math.round(HATCH_PX * this.view.dense), line = Math.max(1, Math.round(step / 10));
    const within = (at, size) => at >= 0 && at < size ? at : -1;   // outside of the picture
    const columns = Int32Array.from({ length: across }, (_, i) => within(Math.floor(this.view.left + (i + 0.5) / scale), width));
    const data = paint.createImageData(across, down), out = new Uint32Array(data.data.buffer), pixels = hasMask ? mask.pixels : null;
    const first = columns.findIndex((column) => column >= 0), last = columns.findLastIndex((column) => column >= 0);
    for (let j = 0, above = -1; j < down; j++) {
      const y = within(Math.floor(this.view.top + (j + 0.5) / scale), height), row = y * width;
      if (y < 0) continue;
      for (let k = first, i = j * across + first; k <= last; k++, i++) {
        const at = row + columns[k], id = ids[at], leftward = k > first ? row + columns[k - 1] : at, upward = above >= 0 ? above + columns[k] : at;
        if (pixels && (pixels[at] !== pixels[leftward] || pixels[at] !== pixels[upward])) out[i] = MASK_BORDER;
        else if (pixels?.[at]) out[i] = marked;
        else if (ids[leftward] !== id || ids[upward] !== id) out[i] = (flags[id] | flags[ids[leftward]] | flags[ids[upward]]) & HOVERED ? BORDER : border;
        else if (flags[id] & SELECTED) out[i] = marked;
        else if (flags[id] & HOVERED) out[i] = pointed;
        else if (id) out[i] = flags[id] & UNKNOWN && (j + k) % step < line ? hatch : colors[id];
      }
      above = row;
    }
    paint.putImageData(data, 0, 0);
  }

  drawLabels(paint, scale) {
    paint.font = `${13 / scale}px system-ui, sans-serif`;
    paint.textAlign = "center";
    paint.textBaseline = "middle";
    paint.lineWidth = 3.5 / scale;
    const { left, top } = this.view, right = left + this.above.clientWidth / scale, bottom = top + this.above.clientHeight / scale;
    const seen = ({ anchor: [x, y] }) => x >= left && x < right && y >= top && y < bottom, larger = this.view.fitScale / scale;
    const large = this.scene.answer.segments
      .filter((segment) => seen(segment) && segment.share > (segment.class === null ? LABELLED_SHARE.unknown : LABELLED_SHARE.named) * larger ** 2)
      .sort((a, b) => b.share - a.share).slice(0, MOST_LABELS);
    for (const segment of large) {
      const name = classOf(segment), text = name.length > 22 ? `${name.slice(0, 21)}…` : name;
      const half = paint.measureText(text).width / 2, x = Math.min(Math.max(segment.anchor[0], Math.max(left, 0) + half), Math.min(right, this.view.width) - half);
      paint.strokeStyle = "rgba(0,0,0,0.75)";
      paint.strokeText(text, x, segment.anchor[1]);
      paint.fillStyle = "white";
      paint.fillText(text, x, segment.anchor[1]);
    }
  }
}
