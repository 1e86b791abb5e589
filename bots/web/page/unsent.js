/** Questions that the server has not got yet, kept over a reload of this tab. */

import { Kept } from "./kept.js";

export class Unsent {
  #kept;

  constructor(account) {
    this.#kept = new Kept(`xiaoq-unsent-${account}`, [], "sessionStorage");
  }

  /** The questions, the oldest first, as they go to the server and `at`. */
  get questions() {
    return this.#kept.value;
  }

  keep(question) {
    this.drop(question.id);
    this.#kept.value = [...this.questions, question];
  }

  drop(id) {
    this.#kept.value = this.questions.filter((question) => question.id !== id);
  }
}
