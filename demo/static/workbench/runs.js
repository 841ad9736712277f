// Masks and label maps as run lengths. `pixels` is a Uint8Array, row by row, 1 inside of the mask.

/** The segment id of each pixel of an answer, row by row, from deflated 32-bit numbers: all lengths, then all ids. */
export async function labelsFrom(base64, size) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const numbers = new Uint32Array(await new Response(inflated).arrayBuffer()), half = numbers.length / 2;
  const ids = new Uint16Array(size);
  for (let run = 0, at = 0; run < half; run++) ids.fill(numbers[half + run], at, at += numbers[run]);
  return ids;
}

/** Lengths of the runs of 0 and 1 in turns, zeros first, to be had back by `restore`. */
export function runsOf(pixels) {
  const runs = [];
  for (let at = 0, value = 0; at < pixels.length; value ^= 1) {
    const next = pixels.indexOf(value ^ 1, at), end = next < 0 ? pixels.length : next;
    runs.push(end - at);
    at = end;
  }
  return Uint32Array.from(runs);
}

export function restore(pixels, runs) {
  for (let run = 0, at = 0; run < runs.length; run++) pixels.fill(run & 1, at, at += runs[run]);
}

/** The smallest box `[x0, y0, x1, y1]` around a mask, half-open; null where it is empty. */
export function boxOf(pixels, width) {
  const first = pixels.indexOf(1);
  if (first < 0) return null;
  const y0 = Math.floor(first / width), y1 = Math.floor(pixels.lastIndexOf(1) / width) + 1;
  let x0 = width, x1 = 0;
  for (let y = y0; y < y1; y++) {
    const row = pixels.subarray(y * width, (y + 1) * width), left = row.indexOf(1);
    if (left < 0) continue;
    x0 = Math.min(x0, left);
    x1 = Math.max(x1, row.lastIndexOf(1) + 1);
  }
  return [x0, y0, x1, y1];
}

/** A mask as the server takes it: its box, and COCO's compressed run lengths of the crop in it; null if it is empty. */
export function encodeMask(pixels, width) {
  const box = boxOf(pixels, width);
  if (!box) return null;
  const [x0, y0, x1, y1] = box, runs = [];
  let value = 0, length = 0;
  for (let x = x0; x < x1; x++) {
    for (let y = y0; y < y1; y++) {
      if (pixels[y * width + x] === value) length++;
      else { runs.push(length); length = 1; value ^= 1; }
    }
  }
  runs.push(length);
  return { box, counts: compressed(runs) };
}

/** The pixels of a mask that the server sent, of a picture of this size. */
export function decodeMask({ box, counts }, width, height) {
  const [x0, y0, x1, y1] = box, tall = y1 - y0, pixels = new Uint8Array(width * height);
  let at = 0, value = 0;
  for (const length of decompressed(counts)) {
    for (const end = at + length; at < end; at++) if (value) pixels[(y0 + at % tall) * width + x0 + Math.floor(at / tall)] = 1;
    value ^= 1;
  }
  return pixels;
}

// Digits of 5 bits with a continuation bit, as letters from "0" on; from the fourth on differences to the last but one.
function compressed(runs) {
  const letters = [];
  for (let i = 0; i < runs.length; i++) {
    let rest = i > 2 ? runs[i] - runs[i - 2] : runs[i], more = true;
    while (more) {
      const digit = rest & 31;
      rest >>= 5;
      more = digit & 16 ? rest !== -1 : rest !== 0;
      letters.push(String.fromCharCode(48 + digit + (more ? 32 : 0)));
    }
  }
  return letters.join("");
}

function decompressed(text) {
  const runs = [];
  for (let at = 0; at < text.length;) {
    let value = 0, shift = 0, digit;
    do {
      digit = text.charCodeAt(at++) - 48;
      value |= (digit & 31) << shift;
      shift += 5;
    } while (digit & 32);
    if (digit & 16) value |= -1 << shift;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}
