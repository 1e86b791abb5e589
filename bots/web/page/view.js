/** The page's frame: header, banner, what is waited for, suggestions. */

import { byId, makeButton } from "./dom.js";
import { Log } from "./log.js";
import { render } from "./markdown.js";
import { build } from "./messages.js";

const BANNER_AFTER_MS = 1000;
const NOTICE_MS = 4000;

export class View {
  #texts;
  #actions;
  #context;
  #log;
  #noticeTimer = null;
  #banner = { text: "", timer: null };

  /** `actions` are those of the messages, and `ask(text)` a suggestion, `renew()` start anew. */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#actions = actions;
    this.#context = { name: "", texts, actions };
    this.#log = new Log(this.#context);
    for (const node of document.querySelectorAll("[data-text]")) {
      node.textContent = texts[node.dataset.text];
    }
    for (const node of document.querySelectorAll("[data-label]")) {
      node.setAttribute("aria-label", texts[node.dataset.label]);
      if (node.nodeName === "BUTTON") node.title = texts[node.dataset.label];
    }
    byId("renew").addEventListener("click", () => actions.renew());
  }

  /** Say who speaks here: a name, its greeting and what one may ask. */
  introduce(name, greeting, suggestions) {
    this.#context.name = name;
    document.title = name;
    byId("name").textContent = name;
    const node = build({ kind: "answer" }, this.#context);
    node.querySelector(".bubble").append(render(greeting));
    this.#log.greet(node);
    const chips = suggestions.map((text) => makeButton({}, text, () => this.#actions.ask(text)));
    byId("suggestions").replaceChildren(...chips);
  }

  /** Bring the page up to date with the conversation. */
  show(conversation) {
    const { waiting, untouched, messages } = conversation;
    const greeted = this.#context.name !== "";
    byId("typing").hidden = waiting === null;
    if (waiting) byId("waiting").textContent = this.#texts[waiting];
    byId("suggestions").hidden = !(untouched && greeted);
    byId("renew").disabled = untouched || !greeted;
    byId("scroller").classList.toggle("untouched", untouched && messages.length === 0);
    this.#log.show(messages);
  }

  /** Go to the end and stay there while text arrives. */
  follow() {
    this.#log.follow();
  }

  /** Have a screen reader say something that is seen elsewhere. */
  say(text) {
    byId("said").textContent = render(text).textContent;
  }

  /** Show a short sentence for a moment. */
  notice(text) {
    const node = byId("notice");
    clearTimeout(this.#noticeTimer);
    node.textContent = text;
    node.hidden = false;
    this.#noticeTimer = setTimeout(() => (node.hidden = true), NOTICE_MS);
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
}
