"""Close what a growing answer has left open, so that no snapshot of it flips when more comes.

A half-written fence would swallow the rest of a message, half a link would show its brackets, half
a table would show its pipes; the next characters would turn each into something else.
"""

import re
from collections import Counter

from bots.markdown.dialect import is_product

_FENCE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(`{3,}|~{3,})(.*)")
_MARKS_ONLY = re.compile(
    r"[-=*+_#>`~|: \t]+|[-*+\s]*\d{1,3}|[-*+\s]*\d{1,9}[.)]|[-*+]\s+\[[ xX]?\]?"
)
_DELIMITERS = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|")
_BLOCK_START = re.compile(r"\s*(?:[-*+>|#]|\d{1,9}[.)]|$)")
_HALF_TARGET = r"(?:\]|\]\((?:[^()\n]|\([^()\n]*+\)?+)*+)?$"
_HALF_LINKS = (
    re.compile(r"!?\[([^\[\]\n]*)" + _HALF_TARGET),
    re.compile(r"!?\[((?:[^\[\]\n]|\[[^\[\]\n]*+\]?+)*+)" + _HALF_TARGET),
)
_LONGEST_LINK = 2500
_RUNS = re.compile(r"\\.|(?P<ticks>`+)|(?P<marks>\*+|~~)", re.DOTALL)


def close_open(markdown: str) -> str:
    """The text with open fences, marks and links closed, and half a table row left out."""
    lines = markdown.rstrip().split("\n")
    fence = _open_fence(lines)
    if fence:
        return "\n".join(lines[:-1] if _ends_in_ticks(lines[-1], fence) else lines)
    last = _FENCE.match(lines[-1])
    if (last and not last[2].strip()) or markdown[len(markdown.rstrip()) :].count("\n") > 1:
        return markdown
    if _MARKS_ONLY.fullmatch(lines[-1].strip()):
        lines.pop()
    lines = _whole_rows(lines)
    start = _last_block(lines)
    return "\n".join((*lines[:start], _close_block("\n".join(lines[start:]))))


def _open_fence(lines: list[str]) -> str:
    """The marks of the fence that is still open; empty if none is."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if not found:
            continue
        marks, info = found[1], found[2]
        if not fence and not (marks[0] == "`" and "`" in info):
            fence = marks
        elif fence and marks.startswith(fence) and not info.strip():
            fence = ""
    return fence


def _ends_in_ticks(line: str, fence: str) -> bool:
    """Whether the line is part of the fence's end, or its beginning with nothing inside."""
    return bool(line.strip(" \t>")) and not line.strip(" \t>" + fence[0])


def _whole_rows(lines: list[str]) -> list[str]:
    """The lines without a table's head that has no delimiters yet, or without half a row."""
    first = len(lines)
    while first and lines[first - 1].lstrip().startswith("|"):
        first -= 1
    rows = lines[first:]
    if len(rows) < 2 or (len(rows) == 2 and not _is_table(rows)):
        return lines[:first]
    if _is_table(rows) and not rows[-1].rstrip().endswith("|"):
        return lines[:-1]
    return lines


def _is_table(rows: list[str]) -> bool:
    delimiters = rows[1].strip()
    whole = _DELIMITERS.fullmatch(delimiters) is not None
    return whole and rows[0].count("|") <= delimiters.count("|")


def _last_block(lines: list[str]) -> int:
    """Index of the line where the last paragraph or item begins."""
    start = len(lines)
    while start and not _BLOCK_START.match(lines[start - 1]):
        start -= 1
    return max(start - 1, 0)


def _close_block(text: str) -> str:
    """The text of one block with its open code, link and emphasis closed."""
    text = text.rstrip()
    spans, code = _code(text)
    if code:
        inside = text[code.end() :].rstrip("`").rstrip()
        head, opened = _scan(text[: code.start()], spans)
        text = head + code[0] + inside + code[0] if inside else head.rstrip()
    else:
        text, opened = _scan(_without_half_link(text), spans)
    return text + "".join(reversed(opened))


def _code(text: str) -> tuple[list[tuple[int, int]], re.Match[str] | None]:
    """Where code stands, and the ticks that open code which has not ended."""
    runs = [found for found in _RUNS.finditer(text) if found["ticks"]]
    left = Counter(run[0] for run in runs)
    spans: list[tuple[int, int]] = []
    opener: re.Match[str] | None = None
    for run in runs:
        left[run[0]] -= 1
        if opener is None:
            opener = run
            if not left[run[0]]:
                break
        elif run[0] == opener[0]:
            spans.append((opener.start(), run.end()))
            opener = None
    return spans, opener


def _without_half_link(text: str) -> str:
    start = max(0, len(text) - _LONGEST_LINK)
    found = _HALF_LINKS[0].search(text, start) or _HALF_LINKS[1].search(text, start)
    return text[: found.start()] + found[1] if found else text


def _scan(text: str, code: list[tuple[int, int]]) -> tuple[str, list[str]]:
    """The text without marks at its end that mark nothing, and the marks that are still open."""
    opened: list[str] = []
    masked = text
    for start, end in code:
        masked = masked[:start] + "x" * (end - start) + masked[end:]
    for found in _RUNS.finditer(masked):
        marks = found["marks"]
        if not marks:
            continue
        if found.end() == len(text) and not _closes(opened, marks):
            return text[: found.start()].rstrip(), opened
        before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        _count(opened, marks, before or " ", after or " ")
    return text, opened


def _closes(opened: list[str], marks: str) -> bool:
    """Whether a run of marks closes what is open and nothing of it is left."""
    for mark in reversed(opened):
        if not marks.startswith(mark):
            break
        marks = marks.removeprefix(mark)
    return not marks


def _count(opened: list[str], marks: str, before: str, after: str) -> None:
    """Note a run of marks: it closes what is open, or else opens."""
    if is_product(before, len(marks), after):
        return
    while opened and not before.isspace() and marks.startswith(opened[-1]):
        marks = marks.removeprefix(opened.pop())
    if marks and not after.isspace():
        opened.append(marks)
