/** The text box: grows with its text, counts it, and knows which Enter sends. */

import { byId } from "./dom.js";

const COUNTER_FROM = 0.9;
const IME_KEY_CODE = 229;

export class Composer {
  #box = byId("text");
  #texts;
  #send;
  #limit = Infinity;

  /** `send(text)` gets every question that the customer sends. */
  constructor(texts, send) {
    this.#texts = texts;
    this.#send = send;
    this.#box.placeholder = texts.placeholder;
    byId("send").title = texts.send;
    this.#box.addEventListener("input", () => this.#refresh());
    this.#box.addEventListener("keydown", (event) => this.#onKey(event));
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#refresh();
  }

  /** Allow at most this many characters, counted as the server counts: in code points. */
  set limit(characters) {
    this.#limit = characters;
    this.#refresh();
  }

  /** Put the cursor into the box, unless that would raise a keyboard over the page. */
  focus() {
    if (matchMedia("(pointer: fine)").matches) this.#box.focus();
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey) return;
    // Safari ends the composition before the Enter that confirms it; only 229 tells then.
    if (event.isComposing || event.keyCode === IME_KEY_CODE) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    if (!this.#sendable) return;
    const text = this.#box.value.trim();
    this.#box.value = "";
    this.#refresh();
    this.focus();
    this.#send(text);
  }

  get #length() {
    return [...this.#box.value.trim()].length;
  }

  get #sendable() {
    return this.#length > 0 && this.#length <= this.#limit;
  }

  #refresh() {
    const remaining = this.#limit - this.#length;
    const near = this.#length >= this.#limit * COUNTER_FROM;
    const words = remaining < 0 ? this.#texts.excess(-remaining) : this.#texts.remaining(remaining);
    byId("counter").textContent = near ? words : "";
    byId("composer").classList.toggle("over", remaining < 0);
    this.#box.setAttribute("aria-invalid", String(remaining < 0));
    byId("send").disabled = !this.#sendable;
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight}px`;
  }
}
