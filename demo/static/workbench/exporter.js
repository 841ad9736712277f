// Answers of the folder as a zip: what is chosen, how far it is, and the download.
import { make } from "./dom.js";

export class Exporter {
  /** `write(what)` is asked to begin. */
  constructor(node, write) {
    Object.assign(this, { node, dialog: node("exporter") });
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation());
    node("which").addEventListener("change", () => { node("least-label").hidden = node("which").value !== "sure"; });
    node("write").addEventListener("submit", (event) => {
      event.preventDefault();
      const formats = [...node("formats").querySelectorAll("input:checked")].map((input) => input.value);
      if (!formats.length) { node("formats").querySelector("input").focus(); return; }
      this.dialog.close();
      this.waiting = true;
      write({ formats, which: node("which").value, least: Number(node("least").value) / 100 });
    });
  }

  show(formats) {
    const known = this.node("formats").querySelectorAll("input").length;
    if (!known) this.node("formats").append(...formats.map(({ name, keeps }, i) => make("label", {},
      make("input", { type: "checkbox", value: name, ...(i ? {} : { checked: "" }) }), make("b", { text: name }), make("span", { text: keeps }))));
    this.dialog.showModal();
  }

  /** Takes how far the last export is, null where there was none. */
  take(run) {
    const link = this.node("download"), said = this.node("exported");
    link.hidden = !run?.file;
    said.textContent = !run ? "" : run.error ?? (run.running ? `${run.done} written` : `${run.done} pictures`);
    if (!run?.file) return;
    link.href = new URL(`gradio_api/file=${run.file}`, document.baseURI);
    link.download = run.file.split("/").at(-1);
    if (this.waiting) link.click();
    this.waiting = false;
  }
}
