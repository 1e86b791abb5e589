/** A value that this browser keeps; in a browser that keeps nothing it lives as long as the page. */

export class Kept {
  #key;
  #storage;
  #value;

  /** The value last kept under the key, else `otherwise`; `storage` is one of the window's. */
  constructor(key, otherwise, storage = "localStorage") {
    this.#key = key;
    this.#storage = storage;
    try {
      this.#value = JSON.parse(window[storage].getItem(key)) ?? otherwise;
    } catch {
      this.#value = otherwise;
    }
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    this.#value = value;
    try {
      window[this.#storage].setItem(this.#key, JSON.stringify(value));
    } catch {
      // Then it is forgotten with the page, and no more.
    }
  }
}
