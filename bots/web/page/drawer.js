/** A panel at the side of the page, opened by a button and closed by Escape or a tap beside it. */

import { byId } from "./dom.js";

export class Drawer {
  #dialog;

  /** `opened()` is called before the panel with this id opens. */
  constructor(id, opened = () => {}) {
    this.#dialog = byId(id);
    byId(`open-${id}`).addEventListener("click", () => {
      opened();
      this.#dialog.showModal();
    });
    this.#dialog.addEventListener("click", ({ target }) => {
      if (target === this.#dialog || target.closest(".close")) this.close();
    });
  }

  close() {
    this.#dialog.close();
  }
}
