/**
 * What the page asks of the server; its stream of events is read by `stream.js`.
 *
 * A page of the server's own is known by its cookie. Inside another site's page browsers keep the
 * cookie away; there the same signed id travels as a token that `hello` gives and this keeps.
 */

const LONGEST_S = 15;
const LONGEST_UPLOAD_S = 90;

/** The status of a request that got no answer at all. */
export const UNREACHABLE = 0;

export class Api {
  #base;
  #tokens;

  /** `tokens`, where the page is framed, keeps the token as its `value`; null means cookies. */
  constructor(account, tokens = null) {
    this.#base = `/web/${encodeURIComponent(account)}`;
    this.#tokens = tokens;
  }

  /** Who speaks here; also makes the visitor known, which the other requests need. */
  async hello() {
    const answer = await this.#ask(this.#tokens ? "hello?token=1" : "hello");
    if (this.#tokens && answer.body.token) this.#tokens.value = answer.body.token;
    return answer;
  }

  /** Hand in a question; safe to repeat with the same id. */
  post({ id, text, conversation, files, retries, sampling }) {
    const ids = files.map((file) => file.id);
    return this.#ask("messages", {
      json: { id, text, conversation, files: ids, retries: retries ?? undefined, sampling },
    });
  }

  stop(conversation, reply) {
    return this.#ask("stop", { json: { conversation, reply } });
  }

  vote(conversation, reply, vote) {
    return this.#ask("votes", { json: { conversation, reply, vote } });
  }

  upload(conversation, file) {
    const query = new URLSearchParams({ conversation, name: file.name });
    return this.#ask(`files?${query}`, { bytes: file, longest: LONGEST_UPLOAD_S });
  }

  conversations() {
    return this.#ask("conversations");
  }

  begin() {
    return this.#ask("conversations", { json: {} });
  }

  remove(conversation) {
    return this.#ask(`conversations/${conversation}`, { method: "DELETE", json: {} });
  }

  /** The conversation as a Response whose body is the file; rejects when there is no network. */
  exported(conversation, format) {
    return this.#fetch(`export?${new URLSearchParams({ conversation, format })}`, {});
  }

  /** The Response whose body are the events after `lastId`; rejects when there is no network. */
  events(conversation, lastId, signal) {
    const headers = lastId === "" ? {} : { "Last-Event-ID": lastId };
    return this.#fetch(`events?${new URLSearchParams({ conversation })}`, { headers, signal });
  }

  /** `{status, body, retryAfter}`: the body is `{}` unless it is JSON, `retryAfter` in seconds. */
  async #ask(path, { method, json, bytes, longest = LONGEST_S } = {}) {
    const options = { signal: AbortSignal.timeout(longest * 1000) };
    if (json) {
      options.headers = { "Content-Type": "application/json" };
      options.body = JSON.stringify(json);
    } else if (bytes) {
      options.headers = { "Content-Type": "application/octet-stream" };
      options.body = bytes;
    }
    if (options.body) options.method = method ?? "POST";
    try {
      const response = await this.#fetch(path, options);
      const body = await response.json().catch(() => ({}));
      return { status: response.status, body, retryAfter: retryAfterOf(response) };
    } catch {
      // fetch knows one kind of failure: offline, refused, cut and timed out are not told apart.
      return { status: UNREACHABLE, body: {}, retryAfter: 0 };
    }
  }

  #fetch(path, { headers = {}, ...options }) {
    const token = this.#tokens?.value;
    const known = token ? { Authorization: `Bearer ${token}` } : {};
    const language = { "Accept-Language": document.documentElement.lang };
    return fetch(`${this.#base}/${path}`, {
      ...options,
      cache: "no-store",
      credentials: this.#tokens ? "omit" : "same-origin",
      headers: { ...language, ...headers, ...known },
    });
  }
}

/** The seconds that a response asks to wait; 0 where it asks for nothing. */
export function retryAfterOf(response) {
  const header = response.headers.get("Retry-After");
  if (header === null) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}
