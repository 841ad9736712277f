// What may be opened: projects that are known, folders on the server, files of one's own.
import { make } from "./dom.js";

const PERSON = "knnclip-person";
const BATCH_BYTES = 2 ** 28, BATCH_FILES = 200;   // of one upload: it is tried again as a whole, and so are its files

export class Opener {
  /** `open(what)` is asked to open a folder or a project, `openFiles(files)` files. */
  constructor(node, open, openFiles) {
    Object.assign(this, { node, dialog: node("opener") });
    node("person").value = remembered(PERSON) ?? `guest ${Math.random().toString(36).slice(2, 6)}`;
    remember(PERSON, this.person);
    node("person").addEventListener("change", () => remember(PERSON, this.person));
    node("on-server").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close();
      open({ folder: node("folders").value, labels: node("labels").value || null });
    });
    node("many").addEventListener("change", (event) => {
      this.dialog.close();
      openFiles([...event.target.files]);
      event.target.value = "";
    });
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation());   // no key here is the canvas's
    this.open = open;
  }

  get person() { return this.node("person").value.trim() || "guest"; }

  show({ folders, known, formats }) {
    const option = (value, text = value) => make("option", { value, text });
    this.node("folders").replaceChildren(...folders.map((name) => option(name)));
    this.node("labels").replaceChildren(option("", "none"), option("auto", "recognised by itself"), ...formats.map((name) => option(name)));
    this.node("on-server").hidden = !folders.length;
    this.node("known").replaceChildren(...known.map(({ key, name, used }) => make("button", {
      type: "button", class: "wb-button", text: `Go on with ${name} (last open ${used} UTC)`,
      onclick: () => { this.dialog.close(); this.open({ key }); },
    })));
    if (!this.dialog.open) this.dialog.showModal();
  }
}

/** Uploads files, a batch at a time, and gives their names and paths; `tell(done)` is told how many are there. */
export async function uploadAll(files, tell) {
  const uploaded = [];
  for (let at = 0; at < files.length;) {
    const batch = [];
    for (let bytes = 0; at < files.length && batch.length < BATCH_FILES && (!batch.length || bytes + files[at].size < BATCH_BYTES); at++) {
      batch.push(files[at]);
      bytes += files[at].size;
    }
    const form = new FormData();
    for (const file of batch) form.append("files", file, file.name);
    const answer = await fetch(new URL("gradio_api/upload", document.baseURI), { method: "POST", body: form });
    if (!answer.ok) throw new Error(`the files were not accepted: ${(await answer.text()).slice(0, 300)}`);
    const paths = await answer.json();
    batch.forEach((file, i) => uploaded.push({ name: file.name, path: paths[i] }));
    tell(uploaded.length);
  }
  return uploaded;
}

/** A browser may forbid to remember anything. */
export function remembered(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

export function remember(key, text) {
  try { text === null ? localStorage.removeItem(key) : localStorage.setItem(key, text); } catch { /* then not */ }
}
