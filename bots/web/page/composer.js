/** The text box: grows with its text, counts it, and knows which Enter sends. */

import { byId } from "./dom.js";

const COUNTER_FROM = 0.9;
const IME_KEY_CODE = 229;

export class Composer {
  #box = byId("text");
  #texts;
  #files;
  #send;
  #limit = Infinity;
  #busy = false;

  /** `files` are the Attachments; `send(text, files)` gets every question. */
  constructor(texts, files, { send, stop }) {
    this.#texts = texts;
    this.#files = files;
    this.#send = send;
    this.#box.placeholder = texts.placeholder;
    this.#box.addEventListener("input", () => this.refresh());
    this.#box.addEventListener("keydown", (event) => this.#onKey(event));
    byId("stop").addEventListener("click", () => {
      this.focus();
      stop();
    });
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.refresh();
  }

  /** Allow at most this many characters, counted as the server counts: in code points. */
  set limit(characters) {
    this.#limit = characters;
    this.refresh();
  }

  /** Whether there is an answer to stop; its button takes the place of an idle send button. */
  set busy(busy) {
    if (busy === this.#busy) return;
    this.#busy = busy;
    this.refresh();
  }

  /** Send a question that was ended with Enter before the page could hear it. */
  catchUp() {
    if (this.#box.value.endsWith("\n")) this.#submit();
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
    this.#send(text, this.#files.take());
    this.refresh();
    this.focus();
  }

  get #length() {
    return [...this.#box.value.trim()].length;
  }

  get #sendable() {
    if (this.#files.loading || this.#length > this.#limit) return false;
    return this.#length > 0 || this.#files.ready;
  }

  /** Bring the buttons, the counter and the height up to date. */
  refresh() {
    const remaining = this.#limit - this.#length;
    const near = this.#length >= this.#limit * COUNTER_FROM;
    const words = remaining < 0 ? this.#texts.excess(-remaining) : this.#texts.remaining(remaining);
    byId("counter").textContent = near ? words : "";
    byId("composer").classList.toggle("over", remaining < 0);
    this.#box.setAttribute("aria-invalid", String(remaining < 0));
    const idle = this.#length === 0 && !this.#files.ready && !this.#files.loading;
    byId("stop").hidden = !(this.#busy && idle);
    byId("send").hidden = !byId("stop").hidden;
    byId("send").disabled = !this.#sendable;
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight}px`;
  }
}
