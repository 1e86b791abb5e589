/**
 * The list of messages and its scrolling.
 *
 * Only the newest messages are in the page; older ones come as the reader scrolls to them, and
 * those far above go when the reader is back at the end, so that a conversation of thousands is
 * as light as a short one. The text that is read never moves while something is added elsewhere.
 */

import { isCommand } from "./conversation.js";
import { byId } from "./dom.js";
import { build, fill } from "./messages.js";

const NEAR_END_PX = 60;
const SHOWN_AT_FIRST = 40;
const SHOWN_AT_MOST = 120;
const MORE = 20;

export class Log {
  #context;
  #scroller = byId("scroller");
  #node = byId("log");
  #greeting = null;
  #messages = [];
  #from = 0;
  #shown = new Map();
  #atEnd = true;
  #size = "";

  /** `context` is what `build` and `fill` of a message want. */
  constructor(context) {
    this.#context = context;
    byId("latest").addEventListener("click", () => this.follow());
    this.#scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    new ResizeObserver(() => this.#keepEnd()).observe(this.#scroller);
  }

  /** Begin the list with a message of its own. */
  greet(node) {
    this.#greeting?.remove();
    this.#greeting = node;
  }

  /** Bring the list up to date. */
  show(messages) {
    this.#messages = messages.filter(isVisible);
    const count = this.#messages.length;
    if (this.#atEnd && count - this.#from > SHOWN_AT_MOST) this.#from = count - SHOWN_AT_FIRST;
    this.#from = Math.min(this.#from, Math.max(0, count - 1));
    this.#draw();
    this.#keepEnd();
  }

  /** Go to the end and stay there while text arrives. */
  follow() {
    this.#atEnd = true;
    this.show(this.#messages);
  }

  #draw() {
    const messages = this.#messages.slice(this.#from);
    this.#forget(messages);
    if (this.#greeting) {
      this.#greeting.hidden = this.#from > 0;
      if (this.#node.firstChild !== this.#greeting) this.#node.prepend(this.#greeting);
    }
    let place = this.#greeting ? this.#greeting.nextSibling : this.#node.firstChild;
    for (const message of messages) {
      const node = this.#nodeFor(message);
      if (node === place) place = place.nextSibling;
      else this.#node.insertBefore(node, place);
    }
  }

  #nodeFor(message) {
    const known = this.#shown.get(message.key);
    if (known?.message === message) return known.node;
    const node = known?.node ?? build(message, this.#context);
    fill(node, message, this.#context);
    this.#shown.set(message.key, { node, message });
    return node;
  }

  #forget(messages) {
    const keys = new Set(messages.map(({ key }) => key));
    for (const [key, { node }] of this.#shown) {
      if (keys.has(key)) continue;
      node.remove();
      this.#shown.delete(key);
    }
  }

  /** Scrolling away from the end is the reader's wish, unless a changed size moved the text. */
  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const near = scrollHeight - scrollTop - clientHeight <= NEAR_END_PX;
    const moved = this.#size === `${scrollHeight}/${clientHeight}`;
    if (near) this.#atEnd = true;
    else if (moved) this.#atEnd = false;
    if (!this.#atEnd && scrollTop < clientHeight && this.#from > 0) this.#showMore();
    this.#keepEnd();
  }

  /** Put older messages above, and leave what is read where it is. */
  #showMore() {
    const before = this.#scroller.scrollHeight;
    this.#from = Math.max(0, this.#from - MORE);
    this.#draw();
    this.#scroller.scrollTop += this.#scroller.scrollHeight - before;
  }

  #keepEnd() {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#size = `${this.#scroller.scrollHeight}/${this.#scroller.clientHeight}`;
    byId("latest").hidden = this.#atEnd;
  }
}

/** Whether a message is one to show: an answer from its first word on, and no command. */
function isVisible(message) {
  if (message.kind === "answer") return message.done || message.text !== "";
  if (message.retries && message.state !== "failed") return false;
  return !isCommand(message);
}
