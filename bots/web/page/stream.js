/**
 * A conversation's events, for as long as it is open: read once from the start, then after each
 * cut from the last event on. Nothing is lost, and nothing is heard twice, whatever was cut:
 * the network, the server, or a connection that looks alive and says nothing any more.
 */

import { retryAfterOf, UNREACHABLE } from "./api.js";
import { delayAfter, pause } from "./backoff.js";
import { EventReader } from "./events.js";

const LONGEST_SILENCE_S = 40;

export class Stream {
  #server;
  #receive;
  #report;
  #controller = new AbortController();

  /**
   * `server` is the Api; `receive(event, eventId)` gets every event; `report(state)` hears
   * "open", "reconnecting", "unavailable", and "gone" for a conversation that is not there.
   */
  constructor(server, { receive, report }) {
    this.#server = server;
    this.#receive = receive;
    this.#report = report;
  }

  /** Read a conversation from the start, on a new connection, and no other any more. */
  open(conversation) {
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#follow(conversation, this.#controller.signal);
  }

  async #follow(conversation, signal) {
    // What the old connection has still to tell would be taken for news by who reads anew.
    const reader = new EventReader((...news) => signal.aborted || this.#receive(...news));
    let failures = 0;
    for (;;) {
      const heard = reader.count;
      const { status, retryAfter } = await this.#read(conversation, reader, signal);
      if (signal.aborted) return;
      if (status === 404) return this.#report("gone");
      this.#report(status === UNREACHABLE || status === 200 ? "reconnecting" : "unavailable");
      failures = reader.count > heard ? 0 : failures + 1;
      await pause(delayAfter(failures, retryAfter));
      if (signal.aborted) return;
      if (status === 401 || status === 403) await this.#server.hello();
      if (signal.aborted) return;
    }
  }

  /** Read until the connection ends; `{status, retryAfter}` say how it went. */
  async #read(conversation, reader, signal) {
    const connection = new AbortController();
    const cut = () => connection.abort();
    const watch = () => setTimeout(cut, LONGEST_SILENCE_S * 1000);
    let timer = watch();
    signal.addEventListener("abort", cut);
    try {
      const response = await this.#server.events(conversation, reader.lastId, connection.signal);
      const { status } = response;
      if (status !== 200) return { status, retryAfter: retryAfterOf(response) };
      this.#report("open");
      await reader.read(response.body, () => {
        clearTimeout(timer);
        timer = watch();
      });
      return { status, retryAfter: 0 };
    } catch {
      return { status: UNREACHABLE, retryAfter: 0 };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", cut);
    }
  }
}
