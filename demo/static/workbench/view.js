// Which part of the picture the canvas shows, and how large.

const LARGEST = 40;   // screen pixels that a pixel of the picture has at most: single ones are easily hit

export class View {
  /** `canvas` is the element, `changed` is called when something else is to be seen. */
  constructor(canvas, changed) {
    Object.assign(this, { canvas, changed });
    this.width = this.height = 1;         // of the picture
    this.scale = 1;                       // screen pixels (CSS) of one of the picture's
    this.left = this.top = 0;             // the picture's coordinates at the canvas's corner
    this.fits = true;
  }

  get fitScale() { return Math.min(this.canvas.clientWidth / this.width, this.canvas.clientHeight / this.height); }

  get zoomed() { return !this.fits; }

  /** How much of the canvas a pixel of the screen is. */
  get dense() { return window.devicePixelRatio || 1; }

  open(width, height) {
    Object.assign(this, { width, height });
    this.fit();
  }

  fit() {
    Object.assign(this, { fits: true, scale: this.fitScale });
    this.pan(0, 0);
  }

  /** One pixel of the picture on one of the screen, around a place of the canvas, its middle without one. */
  actual() { this.zoom(1 / this.dense / this.scale); }

  /** Larger or smaller by a factor; what is seen at a place of the canvas (CSS pixels) stays there. */
  zoom(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const scale = Math.max(this.fitScale, Math.min(LARGEST, this.scale * factor));
    if (scale === this.scale) return false;
    this.left += at[0] / this.scale - at[0] / scale;
    this.top += at[1] / this.scale - at[1] / scale;
    this.scale = scale;
    this.fits = scale <= this.fitScale * 1.001;
    if (this.fits) this.fit();
    else this.pan(0, 0);
    return true;
  }

  /** Moves what is shown by so many pixels of the screen, as far as there is picture; where there is room it is amid. */
  pan(dx, dy) {
    const within = (at, shown, whole) => shown > whole ? (whole - shown) / 2 : Math.max(0, Math.min(at, whole - shown));
    this.left = within(this.left - dx / this.scale, this.canvas.clientWidth / this.scale, this.width);
    this.top = within(this.top - dy / this.scale, this.canvas.clientHeight / this.scale, this.height);
    this.changed();
  }

  /** The canvas has another size. */
  resize() {
    if (this.fits) this.fit();
    else this.pan(0, 0);
  }

  /** The place under a pointer in the picture's pixels, which may lie outside of it. */
  under({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [this.left + (clientX - box.left) / this.scale, this.top + (clientY - box.top) / this.scale];
  }

  /** Whether a pointer is over the picture. */
  isOver(event) {
    const [x, y] = this.under(event);
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  /** The place of the picture that is nearest to a pointer. */
  placeOf(event) {
    const [x, y] = this.under(event);
    return [Math.max(0, Math.min(this.width - 0.01, x)), Math.max(0, Math.min(this.height - 0.01, y))];
  }

  /** Where a place of the picture is on the canvas, in CSS pixels. */
  onCanvas([x, y]) { return [(x - this.left) * this.scale, (y - this.top) * this.scale]; }
}
