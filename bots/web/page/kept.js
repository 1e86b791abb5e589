/**
 * A value that this browser keeps. Some browsers forbid a framed page to keep anything; then the
 * widget around it does, and gives all of it back in the address. Where nothing helps, a value
 * lives as long as the page.
 */

import { framed, tell } from "./frame.js";

const entrusted = framed ? parse(decodeURIComponent(location.hash.slice(1))) : {};

export class Kept {
  #key;
  #storage;
  #value;

  /** The value last kept under the key, else `otherwise`; `storage` is one of the window's. */
  constructor(key, otherwise, storage = "localStorage") {
    this.#key = key;
    this.#storage = storage;
    try {
      this.#value = parse(window[storage].getItem(key), otherwise);
    } catch {
      this.#value = entrusted?.[key] ?? otherwise;
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
      tell("keep", { key: this.#key, value });
    }
  }
}

function parse(json, otherwise = {}) {
  try {
    return JSON.parse(json) ?? otherwise;
  } catch {
    return otherwise;
  }
}
