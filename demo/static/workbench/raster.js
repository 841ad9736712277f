// What a hand does to the pixels of a mask: pure geometry on a Uint8Array of `width` x `height`, row by row, 1 inside.
import { boxOf } from "./runs.js";

const NEIGHBOURS = [[1, 0], [-1, 0], [0, 1], [0, -1]];

/** Sets what lies within half of `size` pixels of the line between two points; size 1 is the line's own pixels. */
export function paintLine(pixels, width, height, from, to, size, value) {
  const [ax, ay] = from.map((at) => Math.floor(at) + 0.5), [bx, by] = to.map((at) => Math.floor(at) + 0.5);
  const radius = size / 2, dx = bx - ax, dy = by - ay, squared = dx * dx + dy * dy || 1;
  const top = Math.max(0, Math.floor(Math.min(ay, by) - radius)), bottom = Math.min(height - 1, Math.floor(Math.max(ay, by) + radius));
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - radius)), right = Math.min(width - 1, Math.floor(Math.max(ax, bx) + radius));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - ax, py = y + 0.5 - ay, along = Math.max(0, Math.min(1, (px * dx + py * dy) / squared));
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) pixels[y * width + x] = value;
    }
  }
}

/** A mask of the pixels whose centres lie inside of a polygon of points `[x, y]`, by the even-odd rule. */
export function polygonMask(corners, width, height) {
  const pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const crossings = [];
    corners.forEach(([ax, ay], i) => {
      const [bx, by] = corners[(i + 1) % corners.length], at = y + 0.5;
      if (ay <= at !== by <= at) crossings.push(ax + (at - ay) / (by - ay) * (bx - ax));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const start = Math.max(0, Math.ceil(crossings[i] - 0.5)), end = Math.min(width, Math.ceil(crossings[i + 1] - 0.5));
      if (start < end) pixels.fill(1, y * width + start, y * width + end);
    }
  }
  return pixels;
}

/** Fills what the mask encloses: pixels from which no way of steps to the side or up and down leads out of its box. */
export function fillHoles(pixels, width) {
  const box = boxOf(pixels, width);
  if (!box) return;
  const [x0, y0, x1, y1] = box, outside = new Uint8Array(pixels.length), waiting = [];
  const reach = (x, y) => {
    const at = y * width + x;
    if (x < x0 || x >= x1 || y < y0 || y >= y1 || pixels[at] || outside[at]) return;
    outside[at] = 1;
    waiting.push(at);
  };
  for (let x = x0; x < x1; x++) { reach(x, y0); reach(x, y1 - 1); }
  for (let y = y0; y < y1; y++) { reach(x0, y); reach(x1 - 1, y); }
  while (waiting.length) {
    const at = waiting.pop(), x = at % width, y = (at - x) / width;
    for (const [dx, dy] of NEIGHBOURS) reach(x + dx, y + dy);
  }
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) pixels[y * width + x] = outside[y * width + x] ^ 1;
}

/** Makes each pixel what most of the square of `2 * radius + 1` pixels around it are, as far as it lies in the picture. */
export function smooth(pixels, width, height, radius) {
  const box = boxOf(pixels, width);
  if (!box) return;
  const x0 = Math.max(0, box[0] - radius), y0 = Math.max(0, box[1] - radius);
  const x1 = Math.min(width, box[2] + radius), y1 = Math.min(height, box[3] + radius);
  const across = x1 - x0 + 1, sums = new Uint32Array(across * (y1 - y0 + 1));   // of all pixels to the left and above
  for (let y = y0; y < y1; y++) {
    for (let x = x0, line = 0; x < x1; x++) {
      line += pixels[y * width + x];
      const at = (y - y0 + 1) * across + x - x0 + 1;
      sums[at] = sums[at - across] + line;
    }
  }
  for (let y = y0; y < y1; y++) {
    const top = Math.max(y - radius, y0), bottom = Math.min(y + radius + 1, y1), high = Math.min(y + radius + 1, height) - Math.max(y - radius, 0);
    for (let x = x0; x < x1; x++) {
      const left = Math.max(x - radius, x0), right = Math.min(x + radius + 1, x1), wide = Math.min(x + radius + 1, width) - Math.max(x - radius, 0);
      const up = (top - y0) * across - x0, down = (bottom - y0) * across - x0;
      const count = sums[down + right] - sums[down + left] - sums[up + right] + sums[up + left];
      pixels[y * width + x] = 2 * count > high * wide ? 1 : 0;
    }
  }
}

/**
 * Divides a mask along a line of points and takes one side away: all pieces that touch the line but the largest, or
 * the largest one. Pieces that the line does not touch stay. False, and nothing is done, if the line divides nothing.
 */
export function cut(pixels, width, height, points, keepsLargest) {
  const line = [];
  for (let i = 1; i < points.length; i++) {
    const [ax, ay] = points[i - 1].map(Math.floor), [bx, by] = points[i].map(Math.floor);
    const steps = Math.max(Math.abs(bx - ax), Math.abs(by - ay), 1);
    for (let step = 0; step <= steps; step++) {
      const x = Math.round(ax + (bx - ax) * step / steps), y = Math.round(ay + (by - ay) * step / steps);
      const at = y * width + x;
      if (x >= 0 && x < width && y >= 0 && y < height && pixels[at]) { pixels[at] = 0; line.push(at); }
    }
  }
  const seen = new Uint8Array(pixels.length), pieces = [];
  const around = (at, visit) => {
    const x = at % width, y = (at - x) / width;
    for (const [dx, dy] of NEIGHBOURS) if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height) visit(at + dy * width + dx);
  };
  for (const start of line) {
    around(start, (from) => {
      if (!pixels[from] || seen[from]) return;
      const piece = [from];
      seen[from] = 1;
      for (let next = 0; next < piece.length; next++) {
        around(piece[next], (at) => { if (pixels[at] && !seen[at]) { seen[at] = 1; piece.push(at); } });
      }
      pieces.push(piece);
    });
  }
  pieces.sort((a, b) => b.length - a.length);
  const divides = pieces.length > 1, gone = keepsLargest ? pieces.slice(1) : pieces.slice(0, 1);
  if (divides) for (const piece of gone) for (const at of piece) pixels[at] = 0;
  // The line itself goes with what stays beside it.
  const stays = line.filter((at) => { let beside = !divides; around(at, (near) => { beside ||= pixels[near] === 1; }); return beside; });
  for (const at of stays) pixels[at] = 1;
  return divides;
}
