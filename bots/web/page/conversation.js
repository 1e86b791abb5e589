/**
 * What the page knows of one conversation, and nothing of how it looks.
 *
 * The server's events are the truth; a question typed here stays at the end, as pending, until
 * the server tells it back. Messages are frozen and replaced when they change, so that a reader
 * may compare them by identity. Applying an event twice is the same as applying it once.
 */

import { headOf, makeAnswer, makeDivider, makeQuestion } from "./message.js";

export const CHANGED = "changed";
export const SAME = "same";
/** Text is missing: the caller should `rewind` and read all events from the start. */
export const GAP = "gap";

export class Conversation {
  #settled = new Map();
  #pending = [];
  #seen = new Set();
  #torn = new Set();
  #replaced = new Set();
  #thinking = new Set();

  /** Questions, answers and dividers in the order to show; each has a unique `key`. */
  get messages() {
    return [...this.#settled.values(), ...this.#pending];
  }

  /** Own questions that the server has not told back, the oldest first. */
  get pending() {
    return [...this.#pending];
  }

  /** What the customer waits for before the first words: "queued", "thinking", or null. */
  get waiting() {
    const open = this.#unanswered();
    if (open.some(({ id }) => this.#thinking.has(id))) return "thinking";
    if (open.length > 0 || this.#pending.some(({ state }) => state === "sent")) return "queued";
    return this.#streams().at(-1)?.text === "" ? "thinking" : null;
  }

  /** Whether an answer is being written. */
  get streaming() {
    return this.#streams().length > 0;
  }

  /** The id to stop: that of the answer being written, else of a question that waits, or null. */
  get current() {
    return (this.#streams()[0] ?? this.#unanswered()[0])?.id ?? null;
  }

  /** Whether nothing was asked since the conversation began or was started anew. */
  get untouched() {
    const turns = this.messages.filter(({ kind }) => kind !== "answer");
    const last = turns.filter((message) => !isCommand(message)).at(-1);
    return last === undefined || last.kind === "divider";
  }

  /** The questions that an answer was given to: those right before it. */
  questionsOf(reply) {
    const all = this.messages;
    const end = all.findIndex(({ kind, id }) => kind === "answer" && id === reply);
    let start = end;
    while (start > 0 && all[start - 1].kind === "question") start -= 1;
    return all.slice(start, end);
  }

  /** Add an own question that is on its way: `{id, text, at, files?, retries?}`. */
  ask(question) {
    const { id, retries } = question;
    if (this.#settled.has(`question ${id}`)) return;
    if (this.#pending.some((pending) => pending.id === id)) return;
    if (retries) this.#replace(retries);
    this.#pending.push(makeQuestion(question, "sending"));
  }

  /**
   * Say how the sending of an own question goes: "sending", "sent" or "failed".
   * `note` is a sentence about it; `final` means that trying again cannot help. Returns whether
   * all has to be read again, because the answer that it should have replaced stands after all.
   */
  mark(id, state, { note = "", final = false } = {}) {
    const index = this.#pending.findIndex((question) => question.id === id);
    if (index < 0) return false;
    this.#pending[index] = Object.freeze({ ...this.#pending[index], state, note, final });
    return final && this.#replaced.delete(`answer ${this.#pending[index].retries}`);
  }

  /** Apply one event of the server; `eventId` tells a repeated one. */
  receive(event, eventId) {
    if (eventId !== "" && this.#seen.has(eventId)) return SAME;
    const outcome = this.#apply(event);
    if (eventId !== "" && outcome !== GAP) this.#seen.add(eventId);
    return outcome;
  }

  /** Be ready to read all events again from the start; what is shown stays. */
  rewind() {
    this.#seen.clear();
  }

  #apply(event) {
    switch (event.type) {
      case "question":
        return this.#confirm(event);
      case "thinking":
        return this.#think(event.reply);
      case "start":
      case "retract":
        return this.#write(event.reply, "");
      case "delta":
        return this.#extend(event);
      case "done":
        return this.#finish(event);
      case "vote":
        return this.#judge(event);
      case "fresh":
        return this.#settle(makeDivider(event.id));
      default:
        return SAME;
    }
  }

  #confirm(event) {
    this.#pending = this.#pending.filter(({ id }) => id !== event.id);
    if (event.retries) this.#replace(event.retries);
    return this.#settle(makeQuestion(event, "sent"));
  }

  #think(reply) {
    if (this.#thinking.has(reply)) return SAME;
    this.#thinking.add(reply);
    return CHANGED;
  }

  #extend({ reply, at, text }) {
    const known = this.#answer(reply);
    if (known?.done) return SAME;
    const kept = headOf(known?.text ?? "", at);
    if (kept !== null) return this.#write(reply, kept + text);
    // One rereading per answer: a hole that the server has too is filled by the final event.
    if (this.#torn.has(reply)) return SAME;
    this.#torn.add(reply);
    return GAP;
  }

  #write(reply, text) {
    const known = this.#answer(reply);
    if (known?.done || known?.text === text) return SAME;
    return this.#put(makeAnswer(reply, { text }));
  }

  #finish({ reply, ...rest }) {
    if (this.#answer(reply)?.done) return SAME;
    return this.#put(makeAnswer(reply, { ...rest, done: true }));
  }

  #judge({ reply, vote }) {
    const known = this.#answer(reply);
    if (!known || known.vote === vote) return SAME;
    return this.#put(Object.freeze({ ...known, vote }));
  }

  #settle(message) {
    if (this.#settled.has(message.key)) return SAME;
    return this.#put(message);
  }

  #put(message) {
    if (this.#replaced.has(message.key)) return SAME;
    this.#settled.set(message.key, message);
    return CHANGED;
  }

  /** Take an answer away for good; the one that takes its place is on its way. */
  #replace(reply) {
    this.#replaced.add(`answer ${reply}`);
    this.#settled.delete(`answer ${reply}`);
  }

  #answer(reply) {
    return this.#settled.get(`answer ${reply}`);
  }

  /** Answers being written, the oldest first. */
  #streams() {
    return [...this.#settled.values()].filter(({ kind, done }) => kind === "answer" && !done);
  }

  /** Questions after the last answer that has begun. */
  #unanswered() {
    const settled = [...this.#settled.values()];
    const last = settled.findLastIndex(({ kind }) => kind !== "question");
    return settled.slice(last + 1);
  }
}

/** Whether a message is the customer's order to start anew, which the divider shows. */
export function isCommand(message) {
  return message.kind === "question" && message.text === "/new" && message.state !== "failed";
}
