/**
 * Half an answer as Markdown that looks like the beginning of the whole.
 *
 * Between two words of a stream a mark is open, a list has only its dash, a table only its first
 * row; shown as it stands, the message would jump. What is open is closed, and what cannot be
 * told yet is held back until the next words. An open fence needs nothing: markdown-it shows it
 * as code to the end.
 */

const FENCE = /^\s*(?:(?:[-+*]|\d{1,9}[.)]|>)\s*)*(`{3,}|~{3,})([^`]*)$/;
const BARE_MARKER = /^\s*(?:>\s*)*(?:[-+*_=]+|\d{1,9}[.)]?|#{1,6}|>|`{1,3}|~{1,3})?\s*$/;
const BLOCK_START = /^\s*(?:[-+*]\s|\d{1,9}[.)]\s|#{1,6}\s|>)/;
const ROW = /^\s*\|/;
const HALF_RULE = /^\s*(?:\|[\s|:-]*)?$/;
const HALF_LINK = /!?\[([^[\]\n]*)(?:\](?:\([^()\s]*(?:\s[^()]*)?)?)?$/;
const MARKS = /\\.|(`+)|(\*{2,3}|~~)/gs;

/** Close or hold back what is open at the end of an unfinished text. */
export function closeOpenMarks(text) {
  const lines = text.split("\n");
  const { open, after } = findFences(lines);
  if (open !== null) return withoutHalfFence(lines, open).join("\n");
  const start = beginOfLastBlock(lines, after);
  return [...lines.slice(0, start), ...settleBlock(lines.slice(start))].join("\n");
}

/** The marks of the fence that is open at the end, or null, and the line after the last closed. */
function findFences(lines) {
  let open = null;
  let after = 0;
  lines.forEach((line, index) => {
    if (open === null) {
      open = FENCE.exec(line)?.[1] ?? null;
    } else if (closesFence(line, open)) {
      open = null;
      after = index + 1;
    }
  });
  return { open, after };
}

function closesFence(line, open) {
  const mark = line.trim();
  return mark.length >= open.length && mark === open[0].repeat(mark.length);
}

function withoutHalfFence(lines, open) {
  const last = lines.at(-1).trim();
  const half = last !== "" && last.length < open.length && last === open[0].repeat(last.length);
  return half ? lines.slice(0, -1) : lines;
}

function beginOfLastBlock(lines, earliest) {
  const row = firstRow(lines);
  if (row !== null) return row;
  for (let index = lines.length - 1; index > earliest; index -= 1) {
    if (BLOCK_START.test(lines[index]) || lines[index - 1].trim() === "") return index;
  }
  return earliest;
}

/** The first line of the table at the end, or null when no table stands there. */
function firstRow(lines) {
  const end = lines.length - (lines.at(-1) === "" ? 1 : 0);
  let index = end;
  while (index > 0 && ROW.test(lines[index - 1])) index -= 1;
  return index < end ? index : null;
}

function settleBlock(lines) {
  if (lines.length === 0) return [];
  if (ROW.test(lines[0])) return settleTable(lines);
  const bare = BARE_MARKER.test(lines.at(-1));
  return [closeMarks((bare ? lines.slice(0, -1) : lines).join("\n"))];
}

/** A table shows from its rule on, once that has ended; until then it would be a line of bars. */
function settleTable(lines) {
  if (lines.length < 2 || (lines.length === 2 && HALF_RULE.test(lines[1]))) return [];
  const half = lines.at(-1);
  const cell = half.lastIndexOf("|") + 1;
  return [...lines.slice(0, -1), half.slice(0, cell) + closeMarks(half.slice(cell))];
}

function closeMarks(text) {
  // A run at the very end opens nothing yet, or is half of what closes.
  const kept = text.replace(/[*~`]+$/, "").replace(HALF_LINK, "$1");
  const { marks, code } = openMarks(kept);
  if (marks.length === 0 && code === "") return kept;
  return kept.trimEnd() + code + marks.reverse().join("");
}

/** The bold and struck marks that are open at the end, and the open code mark or "". */
function openMarks(text) {
  const marks = [];
  MARKS.lastIndex = 0;
  for (let found; (found = MARKS.exec(text)) !== null; ) {
    const [, code, mark] = found;
    if (code !== undefined) {
      const end = endOfCode(text, code, MARKS.lastIndex);
      if (end < 0) return { marks, code };
      MARKS.lastIndex = end;
    } else if (mark !== undefined) {
      const known = marks.lastIndexOf(mark);
      if (known >= 0) marks.splice(known);
      else if (/\S/.test(text[MARKS.lastIndex] ?? " ")) marks.push(mark);
    }
  }
  return { marks, code: "" };
}

function endOfCode(text, mark, from) {
  for (let at = text.indexOf(mark, from); at >= 0; at = text.indexOf(mark, at)) {
    let end = at;
    while (text[end] === "`") end += 1;
    if (end - at === mark.length) return end;
    at = end;
  }
  return -1;
}
