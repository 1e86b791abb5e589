/** The customer's page: puts the parts together and starts them. */

import { Api, UNREACHABLE } from "./api.js";
import { Attachments } from "./attachments.js";
import { delayAfter, pause } from "./backoff.js";
import { Composer } from "./composer.js";
import { CHANGED, Conversation, GAP } from "./conversation.js";
import { framed, offerLeaving, tell } from "./frame.js";
import { makeId } from "./id.js";
import { Kept } from "./kept.js";
import { Outbox } from "./outbox.js";
import { Painter } from "./painter.js";
import { Past } from "./past.js";
import { saveFile } from "./save.js";
import { keptLanguage, Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { chooseLanguage, pick, textsOf } from "./texts.js";
import { setTheme } from "./theme.js";
import { Unsent } from "./unsent.js";
import { View } from "./view.js";

const HOME = "home";
const ECHO_WITHIN_MS = 10_000;

class Chat {
  #language = chooseLanguage(keptLanguage.value || navigator.language);
  #texts = textsOf(this.#language);
  #conversation = new Conversation();
  #health = { stream: "open", outbox: "open" };
  #ready = false;
  #open;
  #server;
  #unsent;
  #view;
  #files;
  #composer;
  #settings;
  #outbox;
  #stream;
  #painter;

  constructor(account) {
    document.documentElement.lang = this.#language;
    const tokens = framed ? new Kept(`xiaoq-token-${account}`, "") : null;
    this.#server = new Api(account, tokens);
    this.#open = new Kept(`xiaoq-conversation-${account}`, HOME);
    this.#unsent = new Unsent(account);
    this.#painter = new Painter(() => this.#paint());
    this.#view = new View(this.#texts, {
      ask: (text) => this.#ask(text),
      retry: (id) => this.#retry(id),
      again: (reply) => this.#again(reply),
      vote: (reply, vote) => this.#vote(reply, vote),
      renew: () => this.#renew(),
    });
    this.#buildTools(account);
    this.#outbox = new Outbox(this.#server, (...fate) => this.#onSending(...fate));
    this.#stream = new Stream(this.#server, {
      receive: (event, eventId) => this.#onEvent(event, eventId),
      report: (state) => this.#onHealth("stream", state),
    });
    addEventListener("online", () => this.#announce());
    addEventListener("offline", () => this.#announce());
    offerLeaving();
  }

  #buildTools(account) {
    this.#files = new Attachments(this.#texts, this.#server, () => this.#composer?.refresh());
    this.#composer = new Composer(this.#texts, this.#files, {
      send: (text, files) => this.#ask(text, { files }),
      stop: () => this.#stop(),
    });
    this.#settings = new Settings(this.#texts, account, (format) => this.#save(format));
    new Past(this.#texts, this.#server, {
      current: () => this.#open.value,
      open: (id) => this.#enter(id),
      removed: (id) => id === this.#open.value && this.#renew(),
    });
  }

  /** Meet the server, however long that takes, then listen and send. */
  async start() {
    this.#composer.catchUp();
    this.#composer.focus();
    this.#introduce(await this.#greet());
    this.#ready = true;
    this.#enter(this.#open.value, this.#conversation);
    for (const question of this.#unsent.questions) this.#outbox.send(question);
  }

  async #greet() {
    for (let attempt = 0; ; attempt += 1) {
      const { status, body, retryAfter } = await this.#server.hello();
      if (status === 200) {
        this.#onHealth("stream", "open");
        return body;
      }
      this.#onHealth("stream", status === UNREACHABLE ? "reconnecting" : "unavailable");
      await pause(delayAfter(attempt, retryAfter));
    }
  }

  #introduce({ name, greeting, suggestions, max_characters: limit, theme, sampling, files }) {
    const language = this.#language;
    setTheme(theme);
    this.#view.introduce(name, pick(greeting, language, ""), pick(suggestions, language, []));
    this.#composer.limit = limit;
    this.#settings.sampling = sampling ?? null;
    this.#files.limits = files ?? null;
  }

  /** Show a conversation from its start, and hear what happens in it. */
  #enter(id, conversation = new Conversation()) {
    this.#open.value = id;
    this.#conversation = conversation;
    this.#files.moveTo(id);
    for (const question of this.#unsent.questions) {
      if (question.conversation === id) conversation.ask(question);
    }
    this.#view.follow();
    this.#painter.hold();
    this.#stream.open(id);
    this.#composer.focus();
  }

  async #renew() {
    const { status, body } = await this.#server.begin();
    if (status === 201) this.#enter(body.id);
    else this.#view.notice(this.#texts.unavailable);
  }

  #ask(text, { files = [], retries = null } = {}) {
    const conversation = this.#open.value;
    const at = Date.now() / 1000;
    const sampling = this.#settings.wishes;
    const question = { id: makeId(), text, at, conversation, files, retries, sampling };
    this.#unsent.keep(question);
    this.#conversation.ask(question);
    this.#view.follow();
    this.#painter.request();
    if (this.#ready) this.#outbox.send(question);
    this.#composer.focus();
  }

  #retry(id) {
    const question = this.#unsent.questions.find((unsent) => unsent.id === id);
    if (question === undefined) return;
    this.#conversation.mark(id, "sending");
    this.#painter.request();
    this.#outbox.send(question);
  }

  /** Have a question answered again, with its files. */
  #again(reply) {
    const questions = this.#conversation.questionsOf(reply);
    const asked = questions.slice(Math.max(0, questions.findLastIndex(({ retries }) => retries)));
    const text = asked.map((question) => question.text).join("\n").trim();
    const files = asked.flatMap((question) => question.files);
    if (text || files.length > 0) this.#ask(text, { files, retries: reply });
    else this.#view.notice(this.#texts.noAgain);
  }

  async #vote(reply, vote) {
    const { status } = await this.#server.vote(this.#open.value, reply, vote);
    this.#view.notice(status === 202 ? this.#texts.thanks : this.#texts.unavailable);
  }

  async #stop() {
    const reply = this.#conversation.current;
    if (reply === null) return;
    const { status } = await this.#server.stop(this.#open.value, reply);
    if (status !== 202) this.#view.notice(this.#texts.unavailable);
  }

  async #save(format) {
    const saved = await saveFile(this.#server, this.#open.value, format);
    if (!saved) this.#view.notice(this.#texts.unavailable);
  }

  #onSending(id, state, { status, note, final }) {
    if (state === "sent" || final) this.#unsent.drop(id);
    if (this.#conversation.mark(id, state, { note, final })) this.#reread();
    this.#onHealth("outbox", state === "sending" && status >= 500 ? "unavailable" : "open");
    this.#painter.request();
    if (state === "sent") setTimeout(() => this.#expectEcho(id), ECHO_WITHIN_MS);
  }

  /** A stream that does not tell back what the server has taken is dead, whatever it says. */
  #expectEcho(id) {
    if (this.#conversation.pending.some((question) => question.id === id)) this.#reread();
  }

  #onEvent(event, eventId) {
    const outcome = this.#conversation.receive(event, eventId);
    if (outcome === GAP) this.#reread();
    if (outcome === CHANGED) this.#painter.request();
    if (outcome === CHANGED && event.type === "done" && !this.#painter.held) {
      this.#view.say(event.text);
      tell("answer");
    }
  }

  #reread() {
    this.#conversation.rewind();
    this.#stream.open(this.#open.value);
  }

  #onHealth(part, state) {
    if (state === "gone") return this.#enter(HOME);
    this.#health[part] = state;
    if (part === "stream" && state === "open" && this.#ready) this.#painter.request();
    this.#announce();
  }

  #announce() {
    const states = Object.values(this.#health);
    const { offline, reconnecting, unavailable } = this.#texts;
    if (!navigator.onLine) this.#view.announce(offline);
    else if (states.includes("unavailable")) this.#view.announce(unavailable);
    else this.#view.announce(states.includes("reconnecting") ? reconnecting : "");
  }

  #paint() {
    this.#view.show(this.#conversation);
    this.#composer.busy = this.#conversation.current !== null;
  }
}

new Chat(document.querySelector('meta[name="xiaoq-account"]').content).start();
