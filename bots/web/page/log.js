/**
 * The list of messages and its scrolling.
 *
 * Only a window of the messages is in the page, and slides with the reader, so that a conversation
 * of thousands is as light as a short one. The text that is read never moves meanwhile.
 */

import { isCommand } from "./conversation.js";
import { byId } from "./dom.js";
import { build, fill } from "./messages.js";

const NEAR_END_PX = 60;
const SHOWN_AT_FIRST = 40;
const SHOWN_AT_MOST = 120;
const MORE = 10;

export class Log {
  #context;
  #scroller = byId("scroller");
  #node = byId("log");
  #greeting = null;
  #messages = [];
  #from = 0;
  #to = 0;
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
    const showsEnd = this.#to >= this.#messages.length;
    this.#messages = messages.filter(isVisible);
    const count = this.#messages.length;
    this.#to = this.#atEnd || showsEnd ? count : Math.min(this.#to, count);
    const room = this.#atEnd && this.#to - this.#from > SHOWN_AT_MOST ? SHOWN_AT_FIRST : count;
    this.#from = Math.max(this.#to - room, Math.min(this.#from, this.#to - 1), 0);
    this.#draw();
    this.#keepEnd();
  }

  /** Go to the end and stay there while text arrives. */
  follow() {
    this.#atEnd = true;
    this.show(this.#messages);
  }

  #draw() {
    const messages = this.#messages.slice(this.#from, this.#to);
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
    this.#node.classList.toggle("whole", this.#to === this.#messages.length);
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
    const below = scrollHeight - scrollTop - clientHeight;
    const moved = this.#size === `${scrollHeight}/${clientHeight}`;
    if (below <= NEAR_END_PX && this.#to === this.#messages.length) this.#atEnd = true;
    else if (moved) this.#atEnd = false;
    if (!this.#atEnd && scrollTop < clientHeight) this.#slide(-MORE);
    else if (!this.#atEnd && below < clientHeight) this.#slide(MORE);
    this.#keepEnd();
  }

  /** Move the window by some messages, and leave what is read where it is. */
  #slide(by) {
    const count = this.#messages.length;
    const kept = this.#messages[by < 0 ? this.#from : this.#to - 1];
    if (by < 0 ? this.#from === 0 : this.#to === count) return;
    if (by < 0) {
      this.#from = Math.max(0, this.#from + by);
      this.#to = Math.min(this.#to, this.#from + SHOWN_AT_MOST);
    } else {
      this.#to = Math.min(count, this.#to + by);
      this.#from = Math.max(this.#from, this.#to - SHOWN_AT_MOST);
    }
    const { node } = this.#shown.get(kept.key);
    const before = node.offsetTop;
    this.#draw();
    this.#scroller.scrollTop += node.offsetTop - before;
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
