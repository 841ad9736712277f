// What is said of a selected segment: why it is what it is, what it may be called, and the stored instances behind it.
import { make, percent } from "./dom.js";

/** `actions` are what the panel asks for: `wrong(instance)` and `name(text)`. */
export class Panel {
  constructor(find, actions) {
    Object.assign(this, { find, actions });
    this.suggested = [];   // names, none of them an answer
  }

  hide() {
    this.find("panel").hidden = true;
    this.suggest([]);
  }

  suggest(names) {
    this.suggested = names;
    const offers = names.map((name, i) => make("button", { type: "button", class: "wb-button", text: `${name}?`,
      "aria-keyshortcuts": `Alt+${i + 1}`, title: i ? `Alt+${i + 1}` : "Alt+1, or arrow right in the empty field",
      onclick: () => this.accept(i) }));
    this.find("suggestions").replaceChildren(...(offers.length ? [make("span", { text: "looks like:" }), ...offers] : []));
  }

  /** Takes a suggested name; whether there is one. */
  accept(i) {
    if (!this.suggested[i]) return false;
    this.actions.name(this.suggested[i]);
    return true;
  }

  /** Shows the server's explanation of a segment. */
  show({ scores, evidence, suggestions }, segment, readOnly) {
    const { find } = this;
    find("panel").hidden = false;
    this.suggest(suggestions);
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
    find("scores").tBodies[0].replaceChildren(...rows);
    find("evidence-title").textContent = evidence.length ? "Nearest stored instances" : "No stored instance is near";
    find("evidence").replaceChildren(...evidence.map((item) => make("li", {},
      make("img", { src: item.picture, alt: `stored ${item.class}` }),
      make("span", { text: `${item.class} · ${item.similarity.toFixed(2)}` }),
      make("span", { text: `${item.file} · source ${item.source_id}` }),
      make("button", { type: "button", class: "wb-button wb-wrong", text: "Wrong", ...(readOnly ? { disabled: "" } : {}),
        "aria-label": `Wrong: remove this ${item.class} from the store`,
        onclick: () => this.actions.wrong(item) }))));
  }
}

/** Whether the nearest instances and the discriminant are of one mind. */
function agreement(segment, scores, evidence) {
  const near = evidence.filter((item) => item.class === segment.class).length;
  const known = scores.filter((score) => score.discriminant !== null);
  if (!near || !known.length) return "";
  const preferred = known.reduce((best, score) => (score.discriminant > best.discriminant ? score : best)).class;
  const neighbours = `${near} of ${evidence.length} neighbours`;
  return preferred === segment.class ? `: ${neighbours} and the discriminant agree` : `: ${neighbours}; the discriminant prefers ${preferred}`;
}
