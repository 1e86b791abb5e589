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
  #post;
  #renew;
  #report;
  #waiting = [];
  #running = false;

  /**
   * `post(id, text)` and `renew()` are the server's requests; `report(id, state, detail)` hears
   * how each question fares, `detail.status` being the answer that made it so.
   */
  constructor({ post, renew, report }) {
    this.#post = post;
    this.#renew = renew;
    this.#report = report;
  }

  /** Queue a question; a queued one is not queued again. */
  async send(id, text) {
    if (this.#waiting.some((question) => question.id === id)) return;
    this.#waiting.push({ id, text });
    if (this.#running) return;
    this.#running = true;
    for (; this.#waiting.length > 0; this.#waiting.shift()) await this.#deliver(this.#waiting[0]);
    this.#running = false;
  }

  async #deliver({ id, text }) {
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      const { status, body, retryAfter } = await this.#post(id, text);
      const note = typeof body.text === "string" ? body.text : "";
      if (status >= 200 && status < 300) return this.#report(id, "sent", { status });
      if (!renewed && (status === 401 || status === 403)) {
        renewed = true;
        await this.#renew();
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
