/** The customer's page: puts the parts together and starts them. */

import { Api, UNREACHABLE } from "./api.js";
import { delayAfter, pause } from "./backoff.js";
import { Composer } from "./composer.js";
import { CHANGED, Conversation, GAP } from "./conversation.js";
import { Outbox } from "./outbox.js";
import { Stream } from "./stream.js";
import { chooseLanguage, pick, textsOf } from "./texts.js";
import { Unsent } from "./unsent.js";
import { View } from "./view.js";

const START_ANEW = "/new";
const ECHO_WITHIN_MS = 10_000;

class Chat {
  #language = chooseLanguage(navigator.language);
  #texts = textsOf(this.#language);
  #conversation = new Conversation();
  #health = { stream: "open", outbox: "open" };
  #drawing = false;
  #ready = false;
  #api;
  #unsent;
  #view;
  #composer;
  #outbox;
  #stream;

  constructor(account) {
    document.documentElement.lang = this.#language;
    const retry = (id) => this.#retry(id);
    const renew = () => this.#ask(START_ANEW);
    const ask = (text) => this.#ask(text);
    this.#api = new Api(account);
    this.#unsent = new Unsent(account);
    for (const { id, text, at } of this.#unsent.load()) this.#conversation.ask(id, text, at);
    this.#view = new View(this.#texts, { ask, retry, renew });
    this.#composer = new Composer(this.#texts, ask);
    this.#outbox = new Outbox({
      post: (id, text) => this.#api.post(id, text),
      renew: () => this.#api.hello(),
      report: (id, state, detail) => this.#onSending(id, state, detail),
    });
    this.#stream = new Stream(this.#api.events, {
      renew: () => this.#api.hello(),
      receive: (event, eventId) => this.#onEvent(event, eventId),
      report: (state) => this.#onHealth("stream", state),
    });
    addEventListener("online", () => this.#announce());
    addEventListener("offline", () => this.#announce());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#stream.open());
  }

  /** Meet the server, however long that takes, then listen and send. */
  async start() {
    this.#composer.focus();
    this.#introduce(await this.#greet());
    this.#stream.open();
    this.#ready = true;
    for (const { id, text } of this.#conversation.pending) this.#outbox.send(id, text);
    this.#draw();
  }

  async #greet() {
    for (let attempt = 0; ; attempt += 1) {
      const { status, body, retryAfter } = await this.#api.hello();
      if (status === 200) {
        this.#onHealth("stream", "open");
        return body;
      }
      this.#onHealth("stream", status === UNREACHABLE ? "reconnecting" : "unavailable");
      await pause(delayAfter(attempt, retryAfter));
    }
  }

  #introduce({ name, greeting, suggestions, max_characters: limit }) {
    const language = this.#language;
    this.#view.introduce(name, pick(greeting, language, ""), pick(suggestions, language, []));
    this.#composer.limit = limit;
  }

  #ask(text) {
    const id = makeId();
    this.#conversation.ask(id, text, Date.now() / 1000);
    this.#view.follow();
    this.#draw();
    if (this.#ready) this.#outbox.send(id, text);
    this.#composer.focus();
  }

  #retry(id) {
    const question = this.#conversation.pending.find((pending) => pending.id === id);
    if (question === undefined) return;
    this.#conversation.mark(id, "sending");
    this.#draw();
    this.#outbox.send(id, question.text);
  }

  #onSending(id, state, { status, note, final }) {
    this.#conversation.mark(id, state, { note, final });
    this.#onHealth("outbox", state === "sending" && status >= 500 ? "unavailable" : "open");
    this.#draw();
    if (state === "sent") setTimeout(() => this.#expectEcho(id), ECHO_WITHIN_MS);
  }

  /** A stream that does not tell back what the server has taken is dead, whatever it says. */
  #expectEcho(id) {
    if (this.#conversation.pending.some((question) => question.id === id)) this.#reread();
  }

  #onEvent(event, eventId) {
    const outcome = this.#conversation.receive(event, eventId);
    if (outcome === GAP) this.#reread();
    if (outcome === CHANGED) this.#draw();
  }

  #reread() {
    this.#conversation.rewind();
    this.#stream.open();
  }

  #onHealth(part, state) {
    this.#health[part] = state;
    this.#announce();
  }

  #announce() {
    const states = Object.values(this.#health);
    const { offline, reconnecting, unavailable } = this.#texts;
    if (!navigator.onLine) this.#view.announce(offline);
    else if (states.includes("unavailable")) this.#view.announce(unavailable);
    else this.#view.announce(states.includes("reconnecting") ? reconnecting : "");
  }

  /** Draw before the next frame, however many events arrive until then. */
  #draw() {
    this.#unsent.save(this.#conversation.pending);
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#view.show(this.#conversation);
    });
  }
}

/** A random UUID (version 4); `crypto.randomUUID` is missing where the page is not on HTTPS. */
function makeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

new Chat(document.querySelector('meta[name="xiaoq-account"]').content).start();
