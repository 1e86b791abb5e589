/**
 * The server's events, for as long as the page is open.
 *
 * The browser's EventSource resumes by itself after a cut connection, with `Last-Event-ID`. It
 * gives up for good on an answer that is no stream (a 503 at a deploy, a 401 without cookie);
 * then this asks the server for a new hello until it is well, and opens a new EventSource, which
 * reads from the start.
 */

import { UNREACHABLE } from "./api.js";
import { delayAfter, pause } from "./backoff.js";

export class Stream {
  #url;
  #renew;
  #receive;
  #report;
  #source = null;
  #failures = 0;

  /**
   * `renew()` is the server's hello; `receive(event, eventId)` gets every event; `report(state)`
   * hears "open", "reconnecting" and "unavailable".
   */
  constructor(url, { renew, receive, report }) {
    this.#url = url;
    this.#renew = renew;
    this.#receive = receive;
    this.#report = report;
  }

  /** Read all events from the start, on a new connection. */
  open() {
    this.#source?.close();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.onopen = () => {
      this.#failures = 0;
      this.#report("open");
    };
    source.onmessage = ({ data, lastEventId }) => {
      const event = parse(data);
      if (event !== null) this.#receive(event, lastEventId);
    };
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      this.#report(refused ? "unavailable" : "reconnecting");
      if (refused) this.#recover(source);
    };
  }

  async #recover(source) {
    let retryAfter = 0;
    for (;;) {
      await pause(delayAfter(this.#failures, retryAfter));
      if (this.#source !== source) return;
      this.#failures += 1;
      const answer = await this.#renew();
      if (this.#source !== source) return;
      if (answer.status === 200) return this.open();
      this.#report(answer.status === UNREACHABLE ? "reconnecting" : "unavailable");
      ({ retryAfter } = answer);
    }
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
