// The folder under work: what is known of its pictures, its buttons and its keys.
import { make } from "./dom.js";
import { Exporter } from "./exporter.js";
import { Opener, remember, remembered, uploadAll } from "./opener.js";
import { Strip } from "./strip.js";

const LAST = "knnclip-folder";   // the project that was open last, to go on with
const FILTERS = {
  "": "all pictures", open: "not checked", untouched: "untouched", answered: "answered", corrected: "corrected", checked: "checked",
};
const STATES = ["untouched", "answered", "corrected", "checked"];
const ARROWS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Folder {
  constructor(element, node, server, bench) {
    Object.assign(this, { element, node, server, bench, told: null, pictures: new Map(), order: [], wanted: null, names: [] });
    this.reopens = remembered(LAST);
    this.opener = new Opener(node, (what) => this.open(what), (files) => this.openFiles(files));
    this.exporter = new Exporter(node, (what) => this.ask("export", what));
    this.strip = new Strip(node("strip"), node("reel"), (id) => this.choose(id), (id) => String(new URL(`thumbnails/${this.told.token}/${id}`, document.baseURI)));
    const clicks = {
      folder: () => this.askOffers((offers) => this.opener.show(offers)), export: () => this.askOffers((offers) => this.exporter.show(offers.exports)), accept: () => this.accept(), next: () => this.ask("next", {}, "opening the next picture"),
      reopen: () => this.ask("reopen", { picture: this.told?.current }), reject: () => this.reject(),
      stop: () => this.ask("stop"), apply: () => this.ask("apply"), leave: () => { remember(LAST, null); this.ask("close"); },
    };
    for (const [name, act] of Object.entries(clicks)) node(name).addEventListener("click", () => { if (this.told || name === "folder") act(); });
    for (const name of ["order", "filter"]) node(name).addEventListener("change", () => this.arrange());
    node("name").addEventListener("keydown", (event) => this.keyInName(event));
    // Whoever reviews goes on by the keys of the picture.
    node("teach").addEventListener("submit", () => { if (this.told) bench.canvas.focus({ preventScroll: true }); });
  }

  get current() { return this.pictures.get(this.told?.current); }

  ask(what, data = {}, doing = "") { this.server.send("input", () => ({ do: what, ...data }), { doing }); }

  open(what) { this.ask("open", { ...what, person: this.opener.person }, "opening the folder"); }

  openFiles(files) {
    if (!files.length) return;
    const name = files.length === 1 ? files[0].name.replace(/\.zip$/i, "") : `${files.length} pictures`;
    this.server.send("input", async () => {
      const uploaded = await uploadAll(files, (done) => { this.node("doing").textContent = `${done} of ${files.length} files are on the server`; });
      return { do: "files", name, files: uploaded, person: this.opener.person };
    }, { doing: "sending the pictures" });
  }

  askOffers(show) {
    this.offered = show;
    this.ask("offers");
  }

  /** What may be opened, and written. */
  offer(value) { this.offered?.(value); }

  /** The project that was open last opens by itself when the page is loaded. */
  goOnWith(key) {
    this.askOffers(({ known }) => { if (known.some((one) => one.key === key)) this.open({ key }); });
  }

  /** Takes what a message of the server says of the folder. */
  take(value) {
    if (value.names) this.names = value.names;
    if (!("folder" in value)) return;
    const told = value.folder, before = this.told;
    if (!told && this.reopens) this.goOnWith(this.reopens);
    this.reopens = null;
    if (told?.key !== before?.key) {
      this.pictures = new Map();
      this.strip.shots.forEach((shot) => shot.remove());
      this.strip.shots = new Map();
    }
    this.told = told;
    this.element.querySelector(".wb").classList.toggle("wb-with-folder", told !== null);
    for (const name of ["review", "film", "keys"]) this.node(name).hidden = !told;
    if (!told) { this.node("effects").textContent = ""; return; }
    remember(LAST, told.key);
    if (told.since && told.since !== before?.number) this.ask("everything");   // a message was missed
    for (const picture of told.pictures) this.pictures.set(picture.id, picture);
    if (value.order) this.order = value.order;
    this.wanted = told.current ?? this.wanted;
    this.exporter.take(told.export);
    this.showHowFar(told);
    this.showKeys(told.keys);
    this.showFilters();
    this.strip.show(this.order, this.pictures, told.current);
  }

  showHowFar({ name, applying, effects, others }) {
    const usable = [...this.pictures.values()].filter((one) => one.state !== "rejected");
    const checked = usable.filter((one) => one.state === "checked").length, { node } = this, isChecked = this.current?.state === "checked";
    node("project").textContent = node("project").title = name;
    node("count").textContent = `${checked} of ${usable.length} checked`;
    node("accept").hidden = isChecked;
    node("reopen").hidden = !isChecked;
    for (const what of ["accept", "reopen", "reject", "apply"]) node(what).disabled = this.bench.readOnly;
    node("applied").hidden = node("stop").hidden = !applying.running;
    node("apply").hidden = applying.running;
    node("applied").max = applying.total || 1;
    node("applied").value = applying.done;
    node("how-far").textContent = applying.error ?? (applying.running ? (applying.total ? `${applying.done} of ${applying.total} answered` : "beginning") : "");
    const also = others.length ? `${others.join(", ")} ${others.length > 1 ? "are" : "is"} at this picture, too` : "";
    const text = [also, effects].filter(Boolean).join(". ");
    if (node("effects").textContent !== text) node("effects").textContent = text;   // else it is read out again
  }

  showKeys(keys) {
    const bound = Object.entries(keys).filter(([digit]) => digit !== "0"), text = JSON.stringify(bound);
    if (this.keysShown === text) return;
    this.keysShown = text;
    this.node("keys").replaceChildren(...bound.map(([digit, name]) => make("button", {
      type: "button", class: "wb-button", "data-key": digit, "aria-keyshortcuts": digit, onclick: () => this.call(name),
      title: `What is marked is ${name} (${digit}). Shift+${digit} binds the key to the name in the field, or to the class that is selected`,
    }, make("kbd", { text: digit }), make("span", { text: name }))));
  }

  showFilters() {
    const filter = this.node("filter"), chosen = filter.value, text = this.names.join("\n");
    if (this.filtersShown === text) return;
    this.filtersShown = text;
    const classes = make("optgroup", { label: "with the class" }, ...this.names.map((name) => make("option", { value: `class ${name}`, text: name })));
    filter.replaceChildren(...Object.entries(FILTERS).map(([value, label]) => make("option", { value, text: label })), classes);
    filter.value = chosen;
    if (filter.selectedIndex < 0) filter.value = "";
  }

  arrange() {
    const filter = this.node("filter").value, byClass = filter.startsWith("class ");
    const states = byClass || !filter ? STATES : filter === "open" ? STATES.slice(0, 3) : [filter];
    this.ask("arrange", { order: this.node("order").value, states, class: byClass ? filter.slice(6) : null });
  }

  /** Puts a picture under work; of several that are asked for in a row the last one counts. */
  choose(id) {
    this.wanted = id;
    this.strip.show(this.order, this.pictures, id);
    const name = this.pictures.get(id).path;
    this.server.send("input", () => this.wanted === id ? { do: "show", picture: id } : null, {
      doing: `opening ${name}`, failed: () => { if (this.wanted === id) this.strip.show(this.order, this.pictures, this.told?.current); },
    });
  }

  accept() {
    const { scene } = this.bench, picture = this.told.current;
    if (picture === null) { this.bench.say("choose a picture of the strip first", true); return; }
    if (scene.isMarked) { this.bench.say("something is marked: name it first, or let go of it with Escape", true); return; }
    this.server.send("input", () => ({ do: "accept", picture, version: scene.answer.version }), { doing: "accepting the answer" });
  }

  /** What the full stop and the comma have gone to is meant where nothing is marked. */
  takeUp() {
    const { scene, pointing: { stepped } } = this.bench;
    if (!scene.isMarked && stepped) scene.selected = new Set([stepped]);
  }

  /** Says what is marked is of a class. */
  call(name) {
    this.takeUp();
    this.node("name").value = name;
    this.bench.teach();
  }

  reject() {
    const { bench, bench: { scene } } = this;
    this.takeUp();
    if (!scene.isMarked) { bench.say("select what is not an object first", true); return; }
    const marked = scene.marked(), mask = scene.mask.state, selected = scene.selected, { pictureNumber } = scene.answer;
    scene.selected = new Set();
    scene.mask.forget();
    bench.changed();
    this.server.send("input", () => { const what = marked(); return what && { do: "reject", ...what }; }, {
      failed: () => {
        if (scene.answer.pictureNumber !== pictureNumber || scene.isMarked) return;
        scene.mask.resume(mask);
        scene.selected = new Set([...selected].filter((id) => scene.segment(id)));
        bench.changed();
      },
    });
  }

  /** A click on a region goes to the name: while that is empty the keys of the folder are still meant. */
  keyInName(event) {
    if (!this.told || this.node("name").value || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const meant = /^[1-9]$/.test(event.key) ? this.node("keys").querySelector(`[data-key="${event.key}"]`) : event.key === "Delete" ? this.node("reject") : null;
    if (!meant) return;
    event.preventDefault();
    this.bench.canvas.focus({ preventScroll: true });
    meant.click();
  }

  bind(digit) {
    const { scene } = this.bench;
    this.takeUp();
    const [id] = scene.selected;
    const name = this.node("name").value.trim() || (id && scene.segment(id).class);
    if (name) this.ask("bind", { digit, class: name });
    else this.bench.say("type the name of a class, or select a region of it, to bind a key to it", true);
  }

  /** After those of the canvas: what it has no use for is the folder's. */
  listenToKeys() {
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || !this.told || this.element.offsetParent === null || event.ctrlKey || event.metaKey || event.altKey) return;
      const onCanvas = event.target === this.bench.canvas, digit = /^Digit[1-9]$/.test(event.code) && event.shiftKey;
      const beside = onCanvas && ARROWS[event.key] ? this.strip.beside(ARROWS[event.key]) : null;
      if (onCanvas && event.key === "Enter") this.accept();
      else if (beside !== null) this.choose(beside);
      else if (onCanvas && digit) this.bind(Number(event.code.at(-1)));
      else return;
      event.preventDefault();
    });
  }
}
