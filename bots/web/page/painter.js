/** When to draw: with the next frame, at rest while a kept conversation arrives, never too often. */

const QUIET_MS = 40;
const LONGEST_MS = 1000;
/** Of the time at most one part in so many goes into drawing, however long an answer grows. */
const SHARE = 4;

export class Painter {
  #paint;
  #timer = null;
  #deadline = 0;
  #scheduled = false;
  #restUntil = 0;

  constructor(paint) {
    this.#paint = paint;
  }

  /** Whether a conversation is still being read from its start. */
  get held() {
    return this.#timer !== null;
  }

  /** Draw nothing until what was kept has arrived, but for a second at most. */
  hold() {
    this.#deadline = performance.now() + LONGEST_MS;
    this.#drawAfter(LONGEST_MS);
  }

  /** Draw soon, however often this is called until then. */
  request() {
    if (this.held) return this.#drawAfter(Math.min(QUIET_MS, this.#deadline - performance.now()));
    if (this.#scheduled) return;
    this.#scheduled = true;
    const rest = this.#restUntil - performance.now();
    const draw = () => requestAnimationFrame(() => this.#draw());
    if (rest > 0) setTimeout(draw, rest);
    else draw();
  }

  #drawAfter(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#draw(), milliseconds);
  }

  #draw() {
    this.#timer = null;
    this.#scheduled = false;
    const begun = performance.now();
    this.#paint();
    const now = performance.now();
    this.#restUntil = now + (SHARE - 1) * (now - begun);
  }
}
