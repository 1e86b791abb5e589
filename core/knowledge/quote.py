"""Answer from knowledge alone: quote the passages found, shortened to what was asked.

Pure functions. A passage is shortened at the ends of sentences, list entries and table rows.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from core.knowledge.documents import Passage
from core.knowledge.index import Match
from core.knowledge.tokens import FUNCTION_WEIGHT, weigh
from core.replies import Source

LEADS: Final = {"zh": "以下内容可能对您有帮助：", "en": "This may help you:"}
"""Said before passages, by language: they are found, not known to be the answer."""
SHORTEST: Final = 60
"""Where fewer characters are left, no further passage is quoted."""
FIRST_SHARE: Final = 0.65
"""Part of the room that a document may take when other passages follow; a FAQ answer may all."""
COMPARABLE: Final = 0.6
"""A passage that scores below this part of the best one's score is not quoted beside it."""

_CUT: Final = "…"
# Behind a sentence and its closing mark, or before the next Latin sentence.
_SENTENCE_END: Final = re.compile(
    r"(?<=[。！？])(?![。！？”」』）])|(?<=[。！？][”」』）])|(?<=[.!?] )(?=[^ ])"
)
_UNFINISHED_CLAUSE: Final = re.compile(r"[^，,、；;：:\s]*$")
_TABLE_RULE: Final = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*\|[ \t:|-]*\n")
_TABLE_HEAD: Final = re.compile(rf".*\|.*\n{_TABLE_RULE.pattern}")


def quote(matches: Sequence[Match], max_characters: int, language: str) -> str:
    """The passages, best first, each under its title, as Markdown of at most so many characters.

    "" without matches. A FAQ answer stands whole if it fits.
    """
    if not matches:
        return ""
    best = max(match.score for match in matches)
    used = [match for match in matches if match.score >= COMPARABLE * best]
    answer = LEADS.get(language, "")
    for number, match in enumerate(used):
        room = max_characters - len(answer) - len("\n\n")
        if number and room - len(match.passage.title) < SHORTEST:
            break
        is_shared = number == 0 and len(used) > 1 and not match.passage.questions
        block = _block(match, int(room * FIRST_SHARE) if is_shared else room)
        answer = f"{answer}\n\n{block}".strip()
    return answer


def excerpt(passage: Passage, question: str, max_characters: int) -> str:
    """The part of a passage that shares most with a question, in at most so many characters."""
    text = passage.text
    if len(text) <= max_characters:
        return text
    borders = _borders(text)
    wanted = {token: weight for token, weight in weigh(question) if weight != FUNCTION_WEIGHT}
    shared = [
        {token for token, _ in weigh(text[start:end]) if token in wanted}
        for start, end in pairwise(borders)
    ]
    best, most = "", -1.0
    for number, start in enumerate(borders[:-1]):
        head = _table_head(text, start, max_characters // 2)
        room = max_characters - len(head) - 2 * len(_CUT)
        end = max(bisect_right(borders, start + room) - 1, number + 1)
        value = sum(wanted[token] for token in set().union(*shared[number:end]))
        if value > most:
            best, most = _cut(text, start, borders[end], head, max_characters), value
    return best


def _block(match: Match, room: int) -> str:
    title = f"**{match.passage.title}**\n"
    if len(title) > room // 2:
        title = ""
    return title + excerpt(match.passage, match.question, room - len(title))


def _borders(text: str) -> list[int]:
    """Where a text may be cut: its start and end, and what lies between its pieces."""
    borders = [0]
    for line in re.finditer(r".*\n?", text):
        is_row = line[0].lstrip().startswith("|")
        if not is_row:
            borders += [line.start() + found.start() for found in _SENTENCE_END.finditer(line[0])]
        if not _TABLE_RULE.match(text, line.end()):
            borders.append(line.end())
    return sorted({*borders, len(text)})


def _table_head(text: str, position: int, longest: int) -> str:
    """The head of the table in whose rows `position` is, or "" if it is in none."""
    paragraph = text.rfind("\n\n", 0, position) + 2 if "\n\n" in text[:position] else 0
    head = _TABLE_HEAD.match(text, paragraph)
    is_below = head is not None and head.end() <= position
    return head[0] if head and is_below and len(head[0]) <= longest else ""


def _cut(text: str, start: int, end: int, head: str, longest: int) -> str:
    """A piece of a text, marked where it was cut; a piece that is too long ends behind a clause."""
    before = head or (_CUT if start else "")
    piece = text[start:end].strip()
    after = _CUT if end < len(text.rstrip()) else ""
    room = longest - len(before) - len(_CUT)
    if len(piece) > room:
        piece = piece[:room]
        piece = _UNFINISHED_CLAUSE.sub("", piece).rstrip("，,、；;：: \n") or piece
        after = _CUT
    return f"{before}{piece}{after}"


def sources_of(matches: Sequence[Match]) -> tuple[Source, ...]:
    """The documents of good matches, each once, best first."""
    good = [match.passage for match in matches if match.good]
    return tuple(dict.fromkeys(Source(passage.title, passage.path) for passage in good))
