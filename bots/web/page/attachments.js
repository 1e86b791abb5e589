/** Files beside the text box: chosen, dropped or pasted, read by the server before they are sent. */

import { byId, make, makeIconButton, plain } from "./dom.js";

export class Attachments {
  #texts;
  #server;
  #changed;
  #limits = null;
  #conversation = "";
  #items = [];

  /** `server` is the Api; `changed()` is called when a file comes, goes or was read. */
  constructor(texts, server, changed) {
    this.#texts = texts;
    this.#server = server;
    this.#changed = changed;
    byId("attach").addEventListener("click", () => byId("picker").click());
    byId("picker").addEventListener("change", ({ target }) => {
      this.#add([...target.files]);
      target.value = "";
    });
    addEventListener("paste", ({ clipboardData }) => this.#add([...(clipboardData?.files ?? [])]));
    addEventListener("dragover", (event) => this.#onDrag(event, true));
    addEventListener("dragleave", (event) => event.relatedTarget ?? this.#onDrag(event, false));
    addEventListener("drop", (event) => {
      this.#onDrag(event, false);
      this.#add([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** What may be sent: `{max_bytes, most, accept}`, or null for nothing. */
  set limits(limits) {
    this.#limits = limits;
    byId("attach").hidden = limits === null;
    if (limits) byId("picker").accept = limits.accept;
  }

  /** Whether a file is on its way. */
  get loading() {
    return this.#items.some(({ state }) => state === "loading");
  }

  /** Whether there is a file to send. */
  get ready() {
    return this.#items.some(({ state }) => state === "ready");
  }

  /** Belong to a conversation; files chosen for another one are forgotten. */
  moveTo(conversation) {
    this.#conversation = conversation;
    this.take();
  }

  /** The files that were read, as `{id, name, kind, bytes}`; none are left here. */
  take() {
    const taken = this.#items.filter(({ state }) => state === "ready").map(({ file }) => file);
    this.#items = [];
    this.#show();
    return taken;
  }

  #onDrag(event, over) {
    if (!this.#limits || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", over);
  }

  #add(files) {
    if (!this.#limits) return;
    for (const file of files) {
      const item = { name: file.name, state: "loading", note: "", file: null };
      this.#items.push(item);
      if (this.#items.length > this.#limits.most) {
        Object.assign(item, { state: "failed", note: this.#texts.tooMany(this.#limits.most) });
      } else if (file.size > this.#limits.max_bytes) {
        Object.assign(item, { state: "failed", note: this.#texts.tooLarge(this.#limits.max_bytes) });
      } else {
        this.#load(item, file);
      }
    }
    this.#show();
  }

  async #load(item, file) {
    const { status, body } = await this.#server.upload(this.#conversation, file);
    if (status === 201) Object.assign(item, { state: "ready", file: body });
    else Object.assign(item, { state: "failed", note: body.text || this.#texts.uploadFailed });
    if (body.is_cut) item.note = this.#texts.fileCut;
    this.#show();
  }

  #show() {
    byId("attached").replaceChildren(...this.#items.map((item) => this.#chip(item)));
    byId("attached").hidden = this.#items.length === 0;
    byId("said").textContent = this.#items.map(({ note }) => note).filter(Boolean).join(" ");
    this.#changed();
  }

  #chip(item) {
    const { name, state, note } = item;
    const label = make("span", { class: "file-name" }, make("bdi", {}, plain(name)));
    const words = note || (state === "loading" ? this.#texts.reading : "");
    if (words) label.append(make("small", {}, words));
    const remove = makeIconButton("close", `${this.#texts.remove} ${plain(name)}`, () => {
      this.#items = this.#items.filter((other) => other !== item);
      this.#show();
      byId("text").focus();
    });
    return make("li", { class: "file", "data-state": state }, label, remove);
  }
}
