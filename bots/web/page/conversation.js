/**
 * What the page knows of the conversation, and nothing of how it looks.
 *
 * The server's events are the truth; a question typed here stays at the end, as pending, until
 * the server tells it back. Messages are frozen and replaced when they change, so that a reader
 * may compare them by identity. Applying an event twice is the same as applying it once.
 */

export const CHANGED = "changed";
export const SAME = "same";
/** Text is missing: the caller should `rewind` and read all events from the start. */
export const GAP = "gap";

export class Conversation {
  #settled = [];
  #pending = [];
  #seen = new Set();
  #torn = new Set();

  /** Questions, answers and dividers in the order to show; each has a unique `key`. */
  get messages() {
    return [...this.#settled, ...this.#pending];
  }

  /** Own questions that the server has not told back, the oldest first. */
  get pending() {
    return [...this.#pending];
  }

  /** Whether the customer waits for the first words of an answer. */
  get waiting() {
    const last = this.#settled.at(-1);
    return (
      this.#pending.some((question) => question.state === "sent") ||
      last?.kind === "question" ||
      (last?.kind === "answer" && !last.done && last.text === "")
    );
  }

  /** Whether an answer is being written. */
  get streaming() {
    return this.#settled.some((message) => message.kind === "answer" && !message.done);
  }

  /** Whether nothing was asked since the conversation began or was started anew. */
  get untouched() {
    const turns = this.messages.filter(({ kind }) => kind !== "answer");
    const last = turns.filter((message) => !isCommand(message)).at(-1);
    return last === undefined || last.kind === "divider";
  }

  /** Whether the server has told a question back. */
  knows(id) {
    return this.#find("question", id) !== undefined;
  }

  /** Add an own question that is on its way; `at` is in seconds since 1970. */
  ask(id, text, at) {
    if (this.knows(id) || this.#pending.some((question) => question.id === id)) return;
    this.#pending.push(makeQuestion(id, text, at, "sending"));
  }

  /**
   * Say how the sending of an own question goes: "sending", "sent" or "failed".
   * `note` is a sentence about it; `final` means that trying again cannot help.
   */
  mark(id, state, { note = "", final = false } = {}) {
    const index = this.#pending.findIndex((question) => question.id === id);
    if (index < 0) return;
    this.#pending[index] = Object.freeze({ ...this.#pending[index], state, note, final });
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
      case "start":
        return this.#write(event.reply, "");
      case "delta":
        return this.#extend(event);
      case "retract":
        return this.#write(event.reply, "");
      case "done":
        return this.#finish(event);
      case "fresh":
        return this.#divide(event);
      default:
        return SAME;
    }
  }

  #confirm({ id, text, at }) {
    if (this.knows(id)) return SAME;
    this.#pending = this.#pending.filter((question) => question.id !== id);
    this.#settled.push(makeQuestion(id, text, at, "sent"));
    return CHANGED;
  }

  #extend({ reply, at, text }) {
    const known = this.#find("answer", reply);
    if (known?.done) return SAME;
    const kept = headOf(known?.text ?? "", at);
    if (kept !== null) return this.#write(reply, kept + text);
    // One rereading per answer: a hole that the server has too is filled by the final event.
    if (this.#torn.has(reply)) return SAME;
    this.#torn.add(reply);
    return GAP;
  }

  #write(reply, text) {
    const known = this.#find("answer", reply);
    if (known?.done || known?.text === text) return SAME;
    return this.#put(makeAnswer(reply, { text }));
  }

  #finish({ reply, text, sources, outcome, origin }) {
    if (this.#find("answer", reply)?.done) return SAME;
    return this.#put(makeAnswer(reply, { text, sources, outcome, origin, done: true }));
  }

  #divide({ id }) {
    if (this.#find("divider", id)) return SAME;
    this.#settled.push(Object.freeze({ kind: "divider", key: `divider ${id}`, id }));
    return CHANGED;
  }

  #put(message) {
    const index = this.#settled.findIndex(({ key }) => key === message.key);
    if (index < 0) this.#settled.push(message);
    else this.#settled[index] = message;
    return CHANGED;
  }

  #find(kind, id) {
    return this.#settled.find((message) => message.kind === kind && message.id === id);
  }
}

/** Whether a message is the customer's order to start anew, which the divider shows. */
export function isCommand(message) {
  return message.kind === "question" && message.text === "/new" && message.state !== "failed";
}

function makeQuestion(id, text, at, state) {
  const key = `question ${id}`;
  return Object.freeze({ kind: "question", key, id, text, at, state, note: "", final: false });
}

function makeAnswer(id, { text, sources = [], outcome = null, origin = null, done = false }) {
  const key = `answer ${id}`;
  return Object.freeze({ kind: "answer", key, id, text, sources, outcome, origin, done });
}

/** The first `count` code points of a text, or null when it has fewer. */
function headOf(text, count) {
  let end = 0;
  for (let left = count; left > 0; left -= 1) {
    if (end >= text.length) return null;
    end += text.codePointAt(end) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}
