/** The values that a conversation is made of; all are frozen. */

/** A question; `state` is "sending", "sent" or "failed". */
export function makeQuestion({ id, text, at, files = [], retries = null }, state) {
  const key = `question ${id}`;
  const fate = { state, note: "", final: false };
  return Object.freeze({ kind: "question", key, id, text, at, files, retries, ...fate });
}

/** An answer, `done` or being written; `outcome` and `origin` are the server's words. */
export function makeAnswer(id, { text, sources = [], outcome, origin, is_cut: cut, done = false }) {
  const key = `answer ${id}`;
  const fate = { outcome: outcome ?? null, origin: origin ?? null, cut: cut ?? false, vote: null };
  return Object.freeze({ kind: "answer", key, id, text, sources, done, ...fate });
}

/** The line before a conversation that was started anew. */
export function makeDivider(id) {
  return Object.freeze({ kind: "divider", key: `divider ${id}`, id });
}

/** The first `count` code points of a text, or null when it has fewer. */
export function headOf(text, count) {
  let end = 0;
  for (let left = count; left > 0; left -= 1) {
    if (end >= text.length) return null;
    end += text.codePointAt(end) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}
