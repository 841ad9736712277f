// Starts the page's workbench, and takes what the server sends. `element`, `props`, `trigger`, `upload` and `watch` come
// from Gradio: requests go out as events, answers come in as `props.value`.
import { Bench } from "./bench.js";
import { bitmap, make } from "./dom.js";
import { offerFiles } from "./files.js";
import { Folder } from "./folder.js";
import { listenToKeys } from "./keys.js";
import { decodeMask, labelsFrom } from "./runs.js";
import { Answer } from "./scene.js";
import { Server } from "./server.js";

export function start({ element, props, trigger, upload, watch }) {
  const node = (name) => element.querySelector(`.wb-${name}`);
  const busy = (is) => element.querySelector(".wb").setAttribute("aria-busy", is);
  const server = new Server(trigger, {
    busy,
    working: showWork,
    failed: (text) => bench.say(text, true),
  });
  const bench = new Bench(node, server);
  const folder = new Folder(element, node, server, bench);
  const closeCamera = offerFiles(element, node, open, (files) => folder.openFiles(files), (text, isError) => bench.say(text, isError));
  let lastSequence = -1, pictures = 0, readOnly = false;

  function showWork(text) {
    node("work").hidden = text === null;
    if (text !== null) node("doing").textContent = text;
  }

  function open(file) {
    if (!file) return;
    const name = file.name || "pasted.png";
    server.send("upload", async () => {
      try {
        return { path: (await upload(file)).path, name };
      } catch (error) {
        throw new Error(`the picture was not accepted: ${error.message || error}; it may be too large`);
      }
    }, { doing: `opening ${name}` });
  }

  const answers = {
    async answer(value) {
      const [width, height] = value.size, ids = await labelsFrom(value.ids, width * height);
      if (!value.picture) {
        bench.relabel(new Answer(value, ids, pictures));
        if (value.explained) bench.explain(value.explained);
        return;
      }
      const picture = await bitmap(value.picture);
      closeCamera();
      bench.open(picture, new Answer(value, ids, ++pictures), value.detailed);
    },
    explanation(value) {
      // Something else may have been selected or marked since.
      if (bench.scene.selected.has(value.segment_id)) bench.explain(value);
    },
    drawn(value, act) {
      const { width, height } = bench.scene.answer;
      bench.marks.found(decodeMask(value.mask, width, height), act?.mode ?? "replace", value.again);
      if (bench.toolName !== "part") node("name").focus({ preventScroll: true });
    },
    async detail(value) { bench.detail(await bitmap(value.picture)); },
    offers(value) { folder.offer(value); },
    note() {},
    error() {},
  };

  // Answers are taken one after the other, in their order: a picture takes longer to decode than the next one to arrive.
  let receiving = Promise.resolve();

  function receive() {
    const value = props.value;
    if (!value || value.seq <= lastSequence) return;
    lastSequence = value.seq;
    receiving = receiving.then(() => take(value));
  }

  async function take(value) {
    const act = server.actOf(value), { kind, text, names } = value;
    try {
      if ("readOnly" in value) bench.readOnly = readOnly = value.readOnly;
      for (const name of ["undo", "redo"]) if (name in value) bench.undone[name] = value[name];
      await answers[kind](value, act);
      if (kind === "error") act?.failed?.();
      if (names) node("names").replaceChildren(...names.map((name) => make("option", { value: name })));
      node("teach").querySelector("button").disabled = readOnly;
      folder.take(value);
      bench.showUndo();
      bench.redraw();
      if (text) bench.say(text, kind === "error");
    } catch (error) {
      console.error(error);
      bench.say("the answer could not be shown; load the page again", true);
    } finally {
      if (act) server.done();
    }
  }

  const clicks = {
    undo: () => bench.undo(), redo: () => bench.redo(),
    join: () => bench.marks.join(), fill: () => bench.marks.fill(), smooth: () => bench.marks.smooth(),
    smaller: () => bench.marks.smaller(), larger: () => bench.marks.larger(),
    closer: () => bench.view.zoom(1.5), farther: () => bench.view.zoom(1 / 1.5), fit: () => bench.view.fit(), actual: () => bench.view.actual(),
  };
  for (const [name, act] of Object.entries(clicks)) node(name).addEventListener("click", () => { if (bench.isOpen || name === "undo" || name === "redo") act(); });
  node("teach").addEventListener("submit", (event) => { event.preventDefault(); bench.teach(); });
  node("name").addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight" && !node("name").value && bench.panel.accept(0)) event.preventDefault();
  });
  node("view").addEventListener("change", () => { if (bench.isOpen) bench.showAnswer(); });
  node("opacity").addEventListener("input", () => bench.redraw());
  node("tools").addEventListener("change", () => bench.takeUp());
  new ResizeObserver(() => { if (bench.isOpen) bench.view.resize(); }).observe(node("canvas"));
  listenToKeys(element, node("canvas"), bench);
  folder.listenToKeys();
  watch("value", receive);
  busy(false);
  receive();
}
