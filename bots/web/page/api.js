/** The server's two ordinary requests; the third, its stream of events, is `stream.js`. */

const LONGEST_S = 15;

/** The status of a request that got no answer at all. */
export const UNREACHABLE = 0;

export class Api {
  #base;

  constructor(account) {
    this.#base = `/web/${encodeURIComponent(account)}`;
  }

  get events() {
    return `${this.#base}/events`;
  }

  /** Who speaks here; also gives the visitor the cookie that the other requests need. */
  hello() {
    return request(`${this.#base}/hello`, {});
  }

  /** Hand in a question; safe to repeat with the same id. */
  post(id, text) {
    return request(`${this.#base}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id, text }),
    });
  }
}

/** `{status, body, retryAfter}`: the body is `{}` unless it is JSON, `retryAfter` in seconds. */
async function request(path, options) {
  try {
    const response = await fetch(path, {
      ...options,
      cache: "no-store",
      signal: AbortSignal.timeout(LONGEST_S * 1000),
    });
    const { status } = response;
    const body = await response.json().catch(() => ({}));
    return { status, body, retryAfter: parseRetryAfter(response.headers.get("Retry-After")) };
  } catch {
    // fetch knows one kind of failure: offline, refused, cut and timed out are not told apart.
    return { status: UNREACHABLE, body: {}, retryAfter: 0 };
  }
}

function parseRetryAfter(header) {
  if (header === null) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}
