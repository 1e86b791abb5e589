/** The panel of past conversations: open one, or delete it. */

import { byId, make, makeButton, makeIconButton, plain } from "./dom.js";
import { Drawer } from "./drawer.js";
import { timeOf } from "./time.js";

export class Past {
  #texts;
  #server;
  #actions;
  #drawer;
  #list = byId("conversations");

  /** `server` is the Api; `actions`: `current()` an id, `open(id)`, `removed(id)`. */
  constructor(texts, server, actions) {
    this.#texts = texts;
    this.#server = server;
    this.#actions = actions;
    this.#drawer = new Drawer("past", () => this.#load());
  }

  async #load() {
    const { status, body } = await this.#server.conversations();
    const found = body.conversations ?? [];
    this.#list.replaceChildren(...found.map((conversation) => this.#entry(conversation)));
    const words = status === 200 ? this.#texts.noPast : this.#texts.unavailable;
    byId("no-past").textContent = found.length > 0 ? "" : words;
  }

  #entry({ id, title, last }) {
    const open = makeButton({ class: "entry" }, make("bdi", {}, plain(title)), () => {
      this.#drawer.close();
      this.#actions.open(id);
    });
    open.append(timeOf(last));
    if (id === this.#actions.current()) open.setAttribute("aria-current", "true");
    const label = `${this.#texts.remove} ${plain(title)}`;
    const remove = makeIconButton("trash", label, () => this.#confirm(remove, id));
    return make("li", {}, open, remove);
  }

  /** Ask in the place of the button, where a second tap means it. */
  #confirm(button, id) {
    const sure = makeButton({ class: "sure" }, this.#texts.sure, () => this.#delete(id));
    sure.addEventListener("blur", () => sure.isConnected && sure.replaceWith(button));
    button.replaceWith(sure);
    sure.focus();
  }

  async #delete(id) {
    const { status } = await this.#server.remove(id);
    if (status === 204) this.#actions.removed(id);
    await this.#load();
    const failed = status === 409 ? this.#texts.busy : this.#texts.unavailable;
    if (status !== 204) byId("no-past").textContent = failed;
    byId("past").querySelector(".close").focus();
  }
}
