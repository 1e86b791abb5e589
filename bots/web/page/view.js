/** The page's frame: header, banner, the list of messages and its scrolling, suggestions. */

import { isCommand } from "./conversation.js";
import { byId, make } from "./dom.js";
import { render } from "./markdown.js";
import { build, fill } from "./messages.js";

const NEAR_END_PX = 60;
const BANNER_AFTER_MS = 1000;

export class View {
  #texts;
  #actions;
  #name = "";
  #greeting = null;
  #shown = new Map();
  #atEnd = true;
  #size = "";
  #banner = { text: "", timer: null };

  /** `actions`: `ask(text)` a suggestion, `retry(id)` a failed question, `renew()` start anew. */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#actions = actions;
    for (const node of document.querySelectorAll("[data-text]")) {
      node.textContent = texts[node.dataset.text];
    }
    byId("subtitle").textContent = texts.subtitle;
    byId("log").setAttribute("aria-label", texts.log);
    byId("scroller").setAttribute("aria-label", texts.log);
    byId("suggestions").setAttribute("aria-label", texts.suggestions);
    byId("renew").title = texts.renew;
    byId("renew").setAttribute("aria-label", texts.renew);
    byId("renew").addEventListener("click", () => actions.renew());
    byId("latest").addEventListener("click", () => this.follow());
    byId("scroller").addEventListener("scroll", () => this.#noteScroll(), { passive: true });
    new ResizeObserver(() => this.#keepEnd()).observe(byId("scroller"));
  }

  /** Show who speaks here: a name, its greeting and what one may ask. */
  introduce(name, greeting, suggestions) {
    this.#name = name;
    document.title = name;
    byId("name").textContent = name;
    byId("typing").querySelector("span").textContent = `${name} ${this.#texts.typing}`;
    this.#greet(greeting);
    byId("suggestions").replaceChildren(...suggestions.map((text) => this.#suggestion(text)));
  }

  /** Bring the page up to date with the conversation. */
  show(conversation) {
    const log = byId("log");
    const messages = conversation.messages.filter(isVisible);
    // A reader's screen reader speaks the finished answer, and not every snapshot of it.
    log.setAttribute("aria-busy", String(conversation.streaming));
    this.#forget(messages);
    let place = this.#greeting ? this.#greeting.nextSibling : log.firstChild;
    for (const message of messages) {
      const node = this.#nodeFor(message);
      if (node === place) place = place.nextSibling;
      else log.insertBefore(node, place);
    }
    byId("typing").hidden = !conversation.waiting;
    byId("suggestions").hidden = !(conversation.untouched && this.#greeting);
    byId("renew").disabled = conversation.untouched;
    this.#keepEnd();
  }

  /** Go to the end and stay there while text arrives. */
  follow() {
    this.#atEnd = true;
    this.#keepEnd();
  }

  /** Show a sentence above the conversation once it has held for a second; "" hides it. */
  announce(text) {
    if (text === this.#banner.text) return;
    clearTimeout(this.#banner.timer);
    const banner = byId("banner");
    const show = () => {
      banner.textContent = text;
      banner.hidden = text === "";
    };
    const soon = text === "" || !banner.hidden;
    this.#banner = { text, timer: soon ? null : setTimeout(show, BANNER_AFTER_MS) };
    if (soon) show();
  }

  #greet(greeting) {
    const greet = { kind: "answer", key: "greeting" };
    const node = build(greet, { name: this.#name, texts: this.#texts });
    node.querySelector(".bubble").append(render(greeting));
    this.#greeting?.remove();
    this.#greeting = node;
    byId("log").prepend(node);
  }

  #suggestion(text) {
    const button = make("button", { type: "button" }, text);
    button.addEventListener("click", () => this.#actions.ask(text));
    return button;
  }

  #nodeFor(message) {
    const known = this.#shown.get(message.key);
    if (known?.message === message) return known.node;
    const node = known?.node ?? build(message, { name: this.#name, texts: this.#texts });
    fill(node, message, { texts: this.#texts, retry: this.#actions.retry });
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
  #noteScroll() {
    const { scrollTop, scrollHeight, clientHeight } = byId("scroller");
    const near = scrollHeight - scrollTop - clientHeight <= NEAR_END_PX;
    const moved = this.#size === `${scrollHeight}/${clientHeight}`;
    if (near) this.#atEnd = true;
    else if (moved) this.#atEnd = false;
    this.#keepEnd();
  }

  #keepEnd() {
    const scroller = byId("scroller");
    if (this.#atEnd) scroller.scrollTop = scroller.scrollHeight;
    this.#size = `${scroller.scrollHeight}/${scroller.clientHeight}`;
    byId("latest").hidden = this.#atEnd;
  }
}

/** An answer shows from its first word on; until then the typing sign stands for it. */
function isVisible(message) {
  if (message.kind === "answer") return message.done || message.text !== "";
  return !isCommand(message);
}
