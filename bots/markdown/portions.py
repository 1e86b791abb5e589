"""Cut a long Markdown text so that each portion is whole Markdown: for platforms that read it.

Code and tables that must be cut are closed and begun again.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from markdown_it.token import Token

from bots.markdown.cut import bare_urls, byte_reach, find_cut, merged
from bots.markdown.dialect import parse_tokens
from bots.markdown.letters import astral_places, is_blank, utf16_length

_LONGEST_CONTEXT = 500
_SOLID = re.compile(r"\[[^\[\]\n]*+\]\([^\s()]*+(?:\([^\s()]*+\)[^\s()]*+)*+\)|&[a-z]{2,4};")

Reach = Callable[[int, int], int]
"""From a place, with so much room: the last place so that the stretch still fits."""


def utf16_portions(text: str, limit: int) -> Iterator[str]:
    """Portions of at most `limit` UTF-16 units (well over 1000)."""
    astral = astral_places(text)

    def reach(start: int, room: int) -> int:
        first = bisect_left(astral, start)
        ends = range(start + 1, min(start + room, len(text)) + 1)
        return start + bisect_right(
            ends, room, key=lambda end: end - start + bisect_left(astral, end) - first
        )

    return _portions(text, limit, reach, utf16_length)


def byte_portions(text: str, limit: int) -> Iterator[str]:
    """Portions of at most `limit` bytes of UTF-8 (well over 2000)."""

    def reach(start: int, room: int) -> int:
        return byte_reach(text, start, room)

    return _portions(text, limit, reach, lambda piece: len(piece.encode()))


@dataclass(frozen=True, slots=True)
class _Context:
    """What a cut within `start` and `end` must repeat behind it and add before it.

    `ends` are the borders of the inside, at which a cut would leave nothing on one side.
    """

    start: int
    end: int
    ends: tuple[tuple[int, int], ...]
    prefix: str
    suffix: str = ""


def _portions(text: str, limit: int, reach: Reach, length: Callable[[str], int]) -> Iterator[str]:
    tokens = parse_tokens(text)
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    borders = sorted({starts[line] for line in _border_lines(tokens, starts, limit)})
    contexts = [context for token in tokens if (context := _context(token, text, starts, length))]
    links = (found.span() for found in _SOLID.finditer(text))
    solid = merged((*bare_urls(text), *links, *(ends for c in contexts for ends in c.ends)))
    start, prefix = 0, ""
    while start < len(text):
        stop = reach(start, limit - length(prefix) - _LONGEST_CONTEXT)
        end = find_cut(text, start, stop, borders, solid)
        context = next((c for c in contexts if c.start < end < c.end), None)
        part = text[start:end].strip("\n") if prefix else text[start:end].strip()
        if not is_blank(part):
            yield prefix + part.rstrip() + (context.suffix if context else "")
        start, prefix = end, context.prefix if context else ""


def _border_lines(tokens: list[Token], starts: list[int], limit: int) -> Iterator[int]:
    """The lines where blocks begin, but not behind a heading, and the items of a very long list."""
    after_heading = False
    long_list = False
    for token in tokens:
        if token.map is None:
            continue
        first, last = token.map
        if token.level == 0 and token.nesting >= 0:
            if not after_heading:
                yield first
            after_heading = token.type == "heading_open"
            long_list = starts[last] - starts[first] > limit - _LONGEST_CONTEXT
        elif token.type == "list_item_open" and token.level == 1 and long_list:
            yield first


def _context(
    token: Token, text: str, starts: list[int], length: Callable[[str], int]
) -> _Context | None:
    """What to repeat when a fence or a table is cut; nothing if that is long itself."""
    if token.map is None or token.type not in ("fence", "table_open"):
        return None
    first, last = token.map
    begin, end = starts[first], starts[last]
    if token.type == "table_open":
        inside = starts[first + 2]
        context = _Context(inside - 1, end, ((begin, inside + 1),), text[begin:inside])
    else:
        inside, closing = starts[first + 1], starts[last - 1]
        ends = ((begin, inside + 1), (closing - 1, end))
        prefix = f"{token.markup}{token.info}\n"
        context = _Context(inside - 1, end, ends, prefix, f"\n{token.markup}")
    return context if length(context.prefix + context.suffix) <= _LONGEST_CONTEXT // 2 else None
