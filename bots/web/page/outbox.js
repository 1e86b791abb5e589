/**
 * Sends questions one after the other, each until the server has it or refuses it for good.
 *
 * Every repetition carries the id of the first attempt, so a question whose acknowledgement was
 * lost is not asked twice.
 */

import { UNREACHABLE } from "./api.js";
import { delayAfter, pause } from "./backoff.js";

const TRIES_UNREACHABLE = 6;
const TRIES_BUSY = 30;

export class Outbox {
  #server;
  #report;
  #waiting = [];
  #running = false;

  /**
   * `server` is the Api; `report(id, state, detail)` hears how each question fares,
   * `detail.status` being the answer that made it so.
   */
  constructor(server, report) {
    this.#server = server;
    this.#report = report;
  }

  /** Queue a question, as the server wants it; a queued one is not queued again. */
  async send(question) {
    if (this.#waiting.some(({ id }) => id === question.id)) return;
    this.#waiting.push(question);
    if (this.#running) return;
    this.#running = true;
    for (; this.#waiting.length > 0; this.#waiting.shift()) await this.#deliver(this.#waiting[0]);
    this.#running = false;
  }

  async #deliver(question) {
    const { id } = question;
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      const { status, body, retryAfter } = await this.#server.post(question);
      const note = typeof body.text === "string" ? body.text : "";
      if (status >= 200 && status < 300) return this.#report(id, "sent", { status });
      if (!renewed && (status === 401 || status === 403)) {
        renewed = true;
        await this.#server.hello();
        continue;
      }
      if (attempt + 1 >= triesFor(status)) {
        return this.#report(id, "failed", { status, note, final: !isPassing(status) });
      }
      this.#report(id, "sending", { status, note });
      await pause(delayAfter(attempt, retryAfter));
    }
  }
}

/** How often a question is sent when the answers are like this one. */
function triesFor(status) {
  if (status === UNREACHABLE) return TRIES_UNREACHABLE;
  return isPassing(status) && status !== 401 && status !== 403 ? TRIES_BUSY : 1;
}

/** Whether the same request may succeed later. */
function isPassing(status) {
  return [UNREACHABLE, 401, 403, 408, 429].includes(status) || status >= 500;
}
