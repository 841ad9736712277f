// The filmstrip: of thousands of pictures only those in sight are in the page.
import { make, percent } from "./dom.js";

const SIZE = { down: 112, across: 122 };   // pixels that one takes, as the style sheet has them
const AROUND = 3;                          // pictures beside those in sight that are there already when one scrolls

const BADGES = { untouched: "", answered: "", corrected: "✎", checked: "✓", rejected: "✕" };

export class Strip {
  /** `box` scrolls, `reel` is as long as all pictures; `choose(id)` is told which one was meant, `source(id)` is its address. */
  constructor(box, reel, choose, source) {
    Object.assign(this, { box, reel, choose, source, order: [], pictures: new Map(), current: null, shots: new Map() });
    this.narrow = matchMedia("(max-width: 860px)");
    box.addEventListener("scroll", () => this.render());
    box.addEventListener("keydown", (event) => this.key(event));
    this.narrow.addEventListener("change", () => this.render());
    new ResizeObserver(() => this.render()).observe(box);
  }

  get size() { return this.narrow.matches ? SIZE.across : SIZE.down; }

  /** Takes what is to be shown; the picture under work comes into sight if it is another one. */
  show(order, pictures, current) {
    const moved = current !== this.current || order !== this.order;
    Object.assign(this, { order, pictures, current });
    if (moved) this.reveal();
    this.render();
  }

  /** The picture so many steps from the current one, null at the ends. */
  beside(step) {
    const at = this.order.indexOf(this.current);
    return at < 0 ? this.order[0] ?? null : this.order[at + step] ?? null;
  }

  reveal() {
    const at = this.order.indexOf(this.current), { size, box } = this, across = this.narrow.matches;
    if (at < 0) return;
    this.stretch();
    const seen = across ? box.clientWidth : box.clientHeight, from = across ? box.scrollLeft : box.scrollTop;
    const to = Math.max(size * (at + 1) - seen, Math.min(from, size * at));
    if (to !== from) box.scrollTo(across ? { left: to } : { top: to });
  }

  stretch() {
    const length = `${this.size * this.order.length}px`;
    Object.assign(this.reel.style, this.narrow.matches ? { width: length, height: "" } : { height: length, width: "" });
  }

  render() {
    const { box, size, order } = this, across = this.narrow.matches;
    this.stretch();
    const from = across ? box.scrollLeft : box.scrollTop, seen = across ? box.clientWidth : box.clientHeight;
    const first = Math.max(0, Math.floor(from / size) - AROUND), last = Math.min(order.length, Math.ceil((from + seen) / size) + AROUND);
    const kept = new Map();
    for (let at = first; at < last; at++) {
      const picture = this.pictures.get(order[at]);
      if (!picture) continue;
      const shot = this.shots.get(picture.id) ?? this.made(picture.id);
      kept.set(picture.id, shot);
      shot.style.transform = across ? `translateX(${size * at}px)` : `translateY(${size * at}px)`;
      this.dress(shot, picture, at);
    }
    for (const [id, shot] of this.shots) if (!kept.has(id)) shot.remove();
    for (const shot of kept.values()) if (!shot.isConnected) this.reel.append(shot);
    this.shots = kept;
    if (kept.has(this.current)) box.setAttribute("aria-activedescendant", `wb-shot-${this.current}`);
    else box.removeAttribute("aria-activedescendant");
  }

  made(id) {
    const image = make("img", { alt: "", src: this.source(id), decoding: "async", onerror: () => { image.hidden = true; } });
    return make("div", { id: `wb-shot-${id}`, class: "wb-shot", role: "option", onclick: () => this.choose(id) }, image, make("b", {}), make("span", {}));
  }

  dress(shot, picture, at) {
    const [, badge, name] = shot.children, file = picture.path.split("/").at(-1);
    const unknown = picture.unknown === null ? "" : `, ${percent(picture.unknown)} unknown`;
    const differs = picture.differs ? ", the store says otherwise by now" : "";
    shot.setAttribute("aria-selected", picture.id === this.current);
    shot.setAttribute("aria-setsize", this.order.length);
    shot.setAttribute("aria-posinset", at + 1);
    shot.setAttribute("aria-label", `${picture.path}: ${picture.state}${unknown}${differs}${picture.note ? `, ${picture.note}` : ""}`);
    shot.title = shot.ariaLabel;
    badge.className = `wb-${picture.state}`;
    badge.textContent = BADGES[picture.state] + (picture.differs ? " ≠" : "") || (picture.unknown === null ? "…" : `? ${percent(picture.unknown)}`);
    name.textContent = file;
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const id = step ? this.beside(step) : { Home: this.order[0], End: this.order.at(-1) }[event.key];
    if (step || id !== undefined) event.preventDefault();
    if (id !== null && id !== undefined) this.choose(id);
  }
}
