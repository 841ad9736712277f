// The picture, its regions and what is said about them. `element`, `props`, `trigger`, `upload` and `watch` come from
// Gradio. Requests go out as events, answers come in as `props.value`; every text is set as text, never as markup.
const find = (name) => element.querySelector(`.wb-${name}`);
const canvas = find("canvas"), paint = canvas.getContext("2d"), stage = find("stage"), video = find("video");
const NO_ANSWER_MS = 120000;                              // after this the page gives up: no picture takes as long
const PROGRESS_MS = 250;                                  // what is answered sooner needs no bar, which would flicker
const MOST_LABELS = 24;                                   // names on the picture; more of them hide it
const LABELLED_SHARE = { named: 0.004, unknown: 0.04 };   // of the picture: smaller segments have no room for a name
const STROKE_SHARE = 0.012;                               // a stroke's width, of the longer side
const DECISIONS = { base: [0, 114, 178], retrieval: [230, 159, 0], unknown: [140, 140, 140] };  // told apart by the colour-blind
const TALLEST_VH = 85;                                    // a tall picture is shown whole on the screen
const RAMP = [[0, 32, 77], [124, 123, 120], [255, 234, 70]];  // cividis: confidence as brightness, in print as well

let picture = null, ids = null, width = 0, height = 0;    // the picture, and the segment id of each of its pixels
let segments = [], byId = new Map(), selected = new Set(), hovered = 0;
let drawn = null;                                         // the mask found for a box or scribble, as an image
let gesture = null, cursor = null;                        // {from, to} or {points}; where the keyboard's pen is
let version = 0;                                          // of the answer that the segment ids belong to
let suggested = [];                                       // names for the selected region, none of them an answer
let tinted = null, busy = false, lastSeq = -1, timer = 0, watchdog = 0, readOnly = false;

const tool = () => element.querySelector("input[name=wb-tool]:checked").value;
const view = () => find("view").value;
const classOf = (segment) => segment.class ?? "unknown";
const percent = (share) => share >= 0.1 ? `${Math.round(100 * share)} %` : `${(100 * share).toFixed(1)} %`;
const rgb = (color, alpha = 1) => `rgba(${color.join(",")},${alpha})`;

function say(text, isError = false) {
  find("status").textContent = text;
  find("status").classList.toggle("wb-error", isError);
}

function send(event, data) {
  if (busy) return;
  setBusy(true);
  trigger(event, data);
}

function setBusy(now) {
  busy = now;
  element.setAttribute("aria-busy", now);
  clearTimeout(timer);
  clearTimeout(watchdog);
  if (!now) { find("progress").hidden = true; return; }
  timer = setTimeout(() => { find("progress").hidden = false; }, PROGRESS_MS);
  watchdog = setTimeout(() => { setBusy(false); say("no answer from the server; try again, or load the page again", true); }, NO_ANSWER_MS);
}

async function bitmap(url) {
  const blob = await (await fetch(url)).blob();
  return createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
}

function pixels(image) {
  const plain = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
  plain.drawImage(image, 0, 0);
  return plain.getImageData(0, 0, image.width, image.height).data;
}

// ---- answers of the server ------------------------------------------------------------------------------------------

const answers = {
  async answer(value) {
    if (value.picture) picture = await bitmap(value.picture);
    const bytes = pixels(await bitmap(value.ids));
    [width, height] = value.size;
    ids = new Int32Array(width * height);
    for (let i = 0; i < ids.length; i++) ids[i] = bytes[4 * i] | bytes[4 * i + 1] << 8 | bytes[4 * i + 2] << 16;
    const kept = value.unasked ? [...selected].map((id) => byId.get(id).anchor) : [];
    segments = value.segments;
    version = value.version;
    byId = new Map(segments.map((segment) => [segment.segment_id, segment]));
    selected = new Set(kept.map(idAt).filter((id) => id));
    hovered = 0;
    if (!value.unasked) drawn = gesture = cursor = null;
    find("panel").hidden = true;
    suggest([]);
    find("empty").hidden = true;
    if (value.picture) closeCamera();
    if (value.explained) { selected = new Set([value.explained.segment_id]); showExplanation(value.explained); }
    canvas.style.width = `min(100%, ${TALLEST_VH * width / height}vh)`;
    tint();
  },
  explanation(value) { showExplanation(value); },
  async drawn(value) {
    drawn = await bitmap(value.mask);
    gesture = cursor = null;
    selected = new Set();
    find("panel").hidden = true;
    suggest([]);
    draw();
    find("name").focus();
  },
  note() {},
  error() { gesture = null; draw(); },
};

// Answers are taken one after the other, in their order: a picture takes longer to decode than the next one to arrive.
let receiving = Promise.resolve();

function receive() {
  const value = props.value;
  if (!value || value.seq <= lastSeq) return;
  lastSeq = value.seq;
  receiving = receiving.then(() => take(value));
}

async function take(value) {
  try {
    await answers[value.kind](value);
    if (value.names) replace(find("names"), value.names.map((name) => make("option", { value: name })));
    for (const button of ["undo", "redo"]) {
      if (!(button in value)) continue;
      find(button).disabled = !value[button];
      find(button).title = value[button] ? `${button} ${value[button]}` : "";
    }
    if ("readOnly" in value) {
      readOnly = value.readOnly;
      find("teach").querySelector("button").disabled = readOnly;
    }
    if (value.text) say(value.text, value.kind === "error");
    if (value.clearName) find("name").value = "";
  } catch (error) {
    console.error(error);
    say("the answer could not be shown; load the page again", true);
  } finally {
    // What the server sends on its own does not answer a request of this page.
    if (!value.unasked) setBusy(false);
  }
}

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, content] of Object.entries(attributes)) {
    if (key === "text") node.textContent = content;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), content);
    else node.setAttribute(key, content);
  }
  node.append(...children);
  return node;
}

function replace(parent, children) { parent.replaceChildren(...children); }

/** Whether the nearest instances and the discriminant are of one mind. */
function agreement(segment, scores, evidence) {
  const near = evidence.filter((item) => item.class === segment.class).length;
  const known = scores.filter((score) => score.discriminant !== null);
  if (!near || !known.length) return "";
  const preferred = known.reduce((best, score) => (score.discriminant > best.discriminant ? score : best)).class;
  const neighbours = `${near} of ${evidence.length} neighbours`;
  return preferred === segment.class ? `: ${neighbours} and the discriminant agree` : `: ${neighbours}; the discriminant prefers ${preferred}`;
}

function suggest(names) {
  suggested = names;
  const offers = names.map((name, i) => make("button", { type: "button", class: "wb-button", text: `${name}?`,
    title: i ? `key ${i + 1} in the picture` : "key 1 in the picture, arrow right in the empty field",
    onclick: () => accept(i) }));
  replace(find("suggestions"), offers.length ? [make("span", { text: "looks like:" }), ...offers] : []);
}

function accept(i) {
  find("name").value = suggested[i];
  find("name").focus();
}

function showExplanation({ segment_id, scores, evidence, tiles, suggestions }) {
  find("panel").hidden = false;
  suggest(suggestions);
  const segment = byId.get(segment_id);
  const decider = { base: "the base classifier", retrieval: "the store" }[segment.decision];
  find("what").textContent = decider ? `${segment.class}, ${percent(segment.confidence)}, decided by ${decider}${agreement(segment, scores, evidence)}` : "unknown: nothing stored is near enough";
  const probability = (value) => {
    if (value === null) return make("td", { text: "–" });
    const bar = make("span");
    bar.style.width = `${100 * value}%`;
    return make("td", {}, make("div", { class: "wb-probability" }, bar, make("b", { text: value.toFixed(2) })));
  };
  const rows = scores.map((score) => make("tr", {}, make("th", { scope: "row", text: score.class }),
    probability(score.base), probability(score.retrieval), probability(score.final)));
  replace(find("scores").tBodies[0], rows);
  find("evidence-title").textContent = evidence.length ? "Nearest stored instances" : "No stored instance is near";
  replace(find("evidence"), tiles.map((tile) => make("li", {},
    make("img", { src: tile.picture, alt: `stored ${tile.class}` }),
    make("span", { text: `${tile.class} · ${tile.similarity.toFixed(2)}` }),
    make("span", { text: `${tile.file} · source ${tile.source_id}${tile.regions > 1 ? ` · ${tile.regions} regions` : ""}` }),
    make("button", { type: "button", class: "wb-button wb-wrong", text: "Wrong", ...(readOnly ? { disabled: "" } : {}),
      title: tile.teaching ? "Takes back this whole teaching; Undo brings it back" : "Takes this instance out of the store; Undo brings it back",
      "aria-label": tile.teaching ? `Wrong: take back this teaching of ${tile.class}` : `Wrong: remove this ${tile.class} from the store`,
      onclick: () => send("delete", { instance_id: tile.instance_id, segment: segment_id, version }) }))));
}

// ---- drawing --------------------------------------------------------------------------------------------------------

function colorOf(segment) {
  if (view() === "source") return DECISIONS[segment.decision];
  if (view() === "confidence") {
    const at = Math.min(segment.confidence, 0.9999) * 2, low = RAMP[Math.floor(at)], high = RAMP[Math.floor(at) + 1];
    return low.map((value, i) => Math.round(value + (high[i] - value) * (at % 1)));
  }
  return segment.color;
}

function tint() {
  if (!ids) return;
  const layer = new OffscreenCanvas(width, height), context = layer.getContext("2d");
  const data = context.createImageData(width, height), out = new Uint32Array(data.data.buffer);
  const pack = (color, alpha) => (alpha << 24 | color[2] << 16 | color[1] << 8 | color[0]) >>> 0;
  const alpha = Math.round(2.55 * find("opacity").value);
  const table = new Map(segments.map((segment) => [segment.segment_id, pack(colorOf(segment), alpha)]));
  const step = Math.max(8, Math.round(width / 60)), line = Math.max(1, Math.round(step / 10));
  const hatch = pack([255, 255, 255], alpha >> 1), border = pack([255, 255, 255], Math.min(255, alpha + 60));
  const unknown = new Set(segments.filter((segment) => segment.class === null).map((segment) => segment.segment_id));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const id = ids[i];
      if ((x && ids[i - 1] !== id) || (y && ids[i - width] !== id)) out[i] = border;
      else if (!id) out[i] = 0;
      else out[i] = unknown.has(id) && (x + y) % step < line ? hatch : table.get(id);
    }
  }
  context.putImageData(data, 0, 0);
  tinted = layer;
  draw();
  showLegend();
}

function marked(chosen, color) {
  const layer = new OffscreenCanvas(width, height), context = layer.getContext("2d");
  const data = context.createImageData(width, height), out = new Uint32Array(data.data.buffer);
  for (let i = 0; i < ids.length; i++) if (chosen.has(ids[i])) out[i] = color;
  context.putImageData(data, 0, 0);
  return layer;
}

function draw() {
  if (!picture) return;
  const scale = canvas.clientWidth / width, dense = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale * dense);
  canvas.height = Math.round(height * scale * dense);
  paint.setTransform(scale * dense, 0, 0, scale * dense, 0, 0);
  paint.drawImage(picture, 0, 0, width, height);
  paint.imageSmoothingEnabled = false;
  paint.drawImage(tinted, 0, 0);
  if (hovered && !selected.has(hovered)) paint.drawImage(marked(new Set([hovered]), 0x66ffffff), 0, 0);
  if (selected.size) paint.drawImage(marked(selected, 0x9900ffff), 0, 0);
  if (drawn) { paint.globalAlpha = 0.65; paint.drawImage(drawn, 0, 0, width, height); paint.globalAlpha = 1; }
  drawLabels(scale);
  drawGesture(scale);
}

function drawLabels(scale) {
  paint.font = `${13 / scale}px system-ui, sans-serif`;
  paint.textAlign = "center";
  paint.textBaseline = "middle";
  paint.lineWidth = 3.5 / scale;
  const large = segments
    .filter((segment) => segment.share > (segment.class === null ? LABELLED_SHARE.unknown : LABELLED_SHARE.named))
    .sort((a, b) => b.share - a.share).slice(0, MOST_LABELS);
  for (const segment of large) {
    const name = classOf(segment), text = name.length > 22 ? `${name.slice(0, 21)}…` : name;
    const half = paint.measureText(text).width / 2, x = Math.min(Math.max(segment.anchor[0], half), width - half);
    paint.strokeStyle = "rgba(0,0,0,0.75)";
    paint.strokeText(text, x, segment.anchor[1]);
    paint.fillStyle = "white";
    paint.fillText(text, x, segment.anchor[1]);
  }
}

function drawGesture(scale) {
  paint.strokeStyle = "#ffff00";
  if (gesture?.from) {
    const { from, to } = gesture;
    paint.lineWidth = 2 / scale;
    paint.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
  } else if (gesture?.points) {
    paint.lineWidth = strokeWidth();
    paint.lineCap = paint.lineJoin = "round";
    paint.beginPath();
    gesture.points.forEach(([x, y]) => paint.lineTo(x, y));
    paint.stroke();
  }
  if (cursor) {
    const [x, y] = cursor, arm = 10 / scale;
    paint.lineWidth = 2 / scale;
    paint.beginPath();
    paint.moveTo(x - arm, y); paint.lineTo(x + arm, y); paint.moveTo(x, y - arm); paint.lineTo(x, y + arm);
    paint.stroke();
  }
}

const strokeWidth = () => Math.max(3, STROKE_SHARE * Math.max(width, height));

function showLegend() {
  const areas = new Map();
  for (const segment of segments) {
    let key = classOf(segment), color = segment.color, hatched = segment.class === null;
    if (view() === "source") { key = segment.decision; color = DECISIONS[key]; }
    if (view() === "confidence") { key = `${Math.min(4, Math.floor(segment.confidence * 5)) * 20} % and more`; color = colorOf(segment); }
    const known = areas.get(key) ?? { color, hatched: hatched && view() !== "confidence", share: 0 };
    known.share += segment.share;
    areas.set(key, known);
  }
  const entries = [...areas].sort((a, b) => b[1].share - a[1].share);
  replace(find("legend"), entries.map(([key, { color, hatched, share }]) => {
    const swatch = make("span", { class: hatched ? "wb-swatch wb-hatched" : "wb-swatch" });
    swatch.style.backgroundColor = rgb(color);
    return make("li", {}, swatch, make("span", { text: `${key} ${percent(share)}` }));
  }));
}

// ---- selecting and drawing on the picture -----------------------------------------------------------------------------

function at(event) {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) * width / box.width, y = (event.clientY - box.top) * height / box.height;
  return [Math.max(0, Math.min(width - 0.01, x)), Math.max(0, Math.min(height - 0.01, y))];
}

const idAt = ([x, y]) => ids ? ids[Math.floor(y) * width + Math.floor(x)] : 0;

function choose(id, adds) {
  if (!id) return;
  drawn = null;
  if (!adds) selected = new Set([id]);
  else if (!selected.delete(id)) selected.add(id);
  draw();
  const chosen = [...selected].map((one) => classOf(byId.get(one)));
  say(chosen.length ? `selected: ${chosen.join(", ")}` : "nothing is selected");
  if (selected.size) send("select", { segment: id, version });
}

function point(place, adds) {
  send("apply", { point: place.map(Math.floor), add: adds });
}

function finishGesture() {
  const done = gesture;
  if (!done) return;
  cursor = null;
  if (done.from) {
    const x = [done.from[0], done.to[0]].sort((a, b) => a - b), y = [done.from[1], done.to[1]].sort((a, b) => a - b);
    if (x[1] - x[0] < 2 || y[1] - y[0] < 2) { gesture = null; draw(); return; }
    send("apply", { box: [Math.floor(x[0]), Math.floor(y[0]), Math.ceil(x[1]), Math.ceil(y[1])] });
  } else {
    send("apply", { strokes: [done.points.map(([x, y]) => [x - 0.5, y - 0.5])], width: strokeWidth() });
  }
}

canvas.addEventListener("pointerdown", (event) => {
  if (!picture || busy || event.button) return;
  canvas.focus();
  const place = at(event);
  if (tool() === "select") { choose(idAt(place), event.shiftKey); return; }
  if (tool() === "part") { point(place, event.shiftKey); return; }
  canvas.setPointerCapture(event.pointerId);
  gesture = tool() === "box" ? { from: place, to: place } : { points: [place] };
});
canvas.addEventListener("pointermove", (event) => {
  if (!picture) return;
  const place = at(event);
  if (gesture && canvas.hasPointerCapture(event.pointerId)) {
    if (gesture.from) gesture.to = place; else gesture.points.push(place);
    draw();
  } else hover(idAt(place), event);
});
canvas.addEventListener("pointerup", (event) => { if (canvas.hasPointerCapture(event.pointerId)) finishGesture(); });
canvas.addEventListener("pointerleave", () => hover(0));

function hover(id, event) {
  const tip = find("tip");
  tip.hidden = !id;
  if (id) {
    const segment = byId.get(id), box = stage.getBoundingClientRect();
    tip.textContent = `${classOf(segment)} · ${percent(segment.confidence)}`;
    tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 4)}px`;
    tip.style.top = `${Math.max(0, event.clientY - box.top - 30)}px`;
  }
  if (id !== hovered) { hovered = id; draw(); }
}

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

canvas.addEventListener("keydown", (event) => {
  if (!picture || busy) return;
  const arrow = ARROWS[event.key], enter = event.key === "Enter" || event.key === " ";
  if (event.key === "Escape") { selected = new Set(); drawn = gesture = cursor = null; find("panel").hidden = true; suggest([]); draw(); say(""); }
  else if (suggested[event.key - 1]) accept(event.key - 1);
  else if (arrow && tool() === "select") stepTo(arrow[0] + arrow[1]);
  else if (arrow) moveCursor(arrow, event.shiftKey ? 2 : 12);
  else if (enter && tool() === "select") { choose(hovered, event.shiftKey); if (!event.shiftKey) find("name").focus(); }
  else if (enter && tool() === "part") point(cursor ?? [width / 2, height / 2], event.shiftKey);
  else if (enter) penDownOrUp();
  else return;
  event.preventDefault();
});

function stepTo(direction) {
  const order = [...segments].sort((a, b) => b.share - a.share).map((segment) => segment.segment_id);
  if (!order.length) return;
  hovered = order[(order.indexOf(hovered) + direction + order.length) % order.length] ?? order[0];
  const segment = byId.get(hovered);
  say(`${classOf(segment)}, ${percent(segment.share)} of the picture, confidence ${percent(segment.confidence)}`);
  draw();
}

function moveCursor([dx, dy], step) {
  cursor ??= [width / 2, height / 2];
  cursor = [Math.max(0, Math.min(width - 1, cursor[0] + dx * step)), Math.max(0, Math.min(height - 1, cursor[1] + dy * step))];
  if (gesture?.from) gesture.to = cursor;
  else if (gesture?.points) gesture.points.push(cursor);
  say(`pen at ${Math.round(cursor[0])}, ${Math.round(cursor[1])}`);
  draw();
}

function penDownOrUp() {
  if (gesture) { finishGesture(); return; }
  cursor ??= [width / 2, height / 2];
  gesture = tool() === "box" ? { from: cursor, to: cursor } : { points: [cursor] };
  say("pen down: move with the arrow keys, Enter again when done");
  draw();
}

// ---- opening pictures -------------------------------------------------------------------------------------------------

async function open(file) {
  if (!file || busy) return;
  setBusy(true);
  say(`opening ${file.name || "picture"}`);
  try {
    const { path } = await upload(file);
    trigger("upload", { path, name: file.name || "pasted.png" });
  } catch (error) {
    setBusy(false);
    say(`the picture was not accepted: ${error.message || error}; it may be too large`, true);
  }
}

find("file").addEventListener("change", (event) => { open(event.target.files[0]); event.target.value = ""; });
stage.addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("wb-over"); });
stage.addEventListener("dragleave", () => stage.classList.remove("wb-over"));
stage.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("wb-over");
  open(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file && element.isConnected) open(file);
});

function closeCamera() {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  video.hidden = true;
  find("camera").textContent = "Camera";
}

find("camera").addEventListener("click", async () => {
  if (video.srcObject) {
    const shot = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    shot.getContext("2d").drawImage(video, 0, 0);
    closeCamera();
    open(new File([await shot.convertToBlob({ type: "image/png" })], "camera.png", { type: "image/png" }));
    return;
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.hidden = false;
    find("empty").hidden = true;
    await video.play();
    find("camera").textContent = "Take the picture";
  } catch (error) {
    say("no camera can be used here; open a file instead", true);
  }
});

// ---- the rest of the page ---------------------------------------------------------------------------------------------

find("teach").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = find("name").value;
  if (!selected.size && !drawn) say("select a region of the picture first, or draw a box around it", true);
  else if (!name.trim()) say("type a name for the selected region first", true);
  else send("submit", { name, segments: [...selected], version });
});
find("name").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowRight" || find("name").value || !suggested.length) return;
  accept(0);
  event.preventDefault();
});
find("undo").addEventListener("click", () => send("undo", {}));
find("redo").addEventListener("click", () => send("retry", {}));
find("view").addEventListener("change", tint);
find("opacity").addEventListener("input", tint);
find("tools").addEventListener("change", () => {
  gesture = cursor = null;
  canvas.classList.toggle("wb-drawing", tool() === "box" || tool() === "scribble");
  draw();
});
new ResizeObserver(() => draw()).observe(stage);
watch("value", receive);
receive();
