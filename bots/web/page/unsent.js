/** Questions that the server has not got yet, kept over a reload of this tab. */

export class Unsent {
  #key;
  #last = "[]";

  constructor(account) {
    this.#key = `xiaoq-unsent-${account}`;
  }

  /** The kept questions as `{id, text, at}`; none where the browser keeps nothing. */
  load() {
    try {
      this.#last = sessionStorage.getItem(this.#key) ?? "[]";
      return JSON.parse(this.#last);
    } catch {
      return [];
    }
  }

  /** Keep those of these questions that may still be sent, and no others. */
  save(questions) {
    const open = questions.filter(({ state, final }) => state !== "sent" && !final);
    const kept = JSON.stringify(open.map(({ id, text, at }) => ({ id, text, at })));
    if (kept === this.#last) return;
    this.#last = kept;
    try {
      sessionStorage.setItem(this.#key, kept);
    } catch {
      // A browser that forbids storage forgets an unsent question with its tab, and no more.
    }
  }
}
