"""Cut a long text where it hurts least."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from bots.markdown.letters import border, is_blank

_LINE = re.compile(r"\n")
_CLOSERS = r"[”’」』》）)\]\"'*_~\u200b]*+"
_SENTENCE = re.compile(rf"[。！？；…]+{_CLOSERS}|(?<![.!?;])[.!?;]++{_CLOSERS}(?=\s)")
_SPACE = re.compile(r"\s")
_BARE_URL = re.compile(r"https?://[!-~]+")

Spans = Sequence[tuple[int, int]]


def bare_urls(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses stand in the open."""
    return (found.span() for found in _BARE_URL.finditer(text))


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans sorted, those that overlap as one."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def byte_parts(
    text: str, limit: int, borders: Sequence[int] = (), solid: Spans = ()
) -> Iterator[str]:
    """The text in parts of at most `limit` bytes of UTF-8 (at least 4), cut like `find_cut`.

    None if there is nothing to see; only white space at the cuts is lost.
    """
    for start, end in byte_spans(text, limit, borders, solid):
        part = text[start:end].strip()
        if not is_blank(part):
            yield part


def byte_spans(
    text: str, limit: int, borders: Sequence[int] = (), solid: Spans = ()
) -> Iterator[tuple[int, int]]:
    """Where the parts of `byte_parts` begin and end, one behind the other."""
    start = 0
    while start < len(text):
        end = find_cut(text, start, byte_reach(text, start, limit), borders, solid)
        yield start, end
        start = end


def byte_reach(text: str, start: int, limit: int) -> int:
    """The last place so that the stretch from `start` takes at most `limit` bytes of UTF-8."""
    fitting = text[start : start + limit].encode(errors="replace")[:limit]
    return start + len(fitting.decode(errors="ignore"))


def find_cut(text: str, start: int, stop: int, borders: Sequence[int], solid: Spans) -> int:
    """Where to end a part that begins at `start` and reaches `stop` at most.

    In this order: a border between blocks, the end of a line, of a sentence, of a word, anywhere
    between whole characters. Only the last three quarters of the part are looked at; a border is
    taken if what follows it needs no cut or if half the part is full. `borders` are sorted, `solid`
    is merged; nothing solid (a link) is cut unless it fills the part. The result is above `start`.
    """
    if stop >= len(text):
        return len(text)
    place = _block_border(len(text), start, stop, borders)
    if place:
        return place
    for ends in (_LINE, _SENTENCE, _SPACE):
        found = [match.end() for match in ends.finditer(text, start + (stop - start) // 4, stop)]
        for place in reversed(found):
            if _around(place, solid) is None and border(text, place) == place:
                return place
    return _anywhere(text, start, stop, solid)


def _block_border(length: int, start: int, stop: int, borders: Sequence[int]) -> int:
    index = bisect_right(borders, stop) - 1
    if index < 0 or borders[index] <= start:
        return 0
    place = borders[index]
    following = borders[index + 1] if index + 1 < len(borders) else length
    half = (stop - start) // 2
    return place if following - place <= stop - start or place - start >= half else 0


def _anywhere(text: str, start: int, stop: int, solid: Spans) -> int:
    around = _around(stop, solid)
    place = border(text, around[0] if around and around[0] > start else stop)
    return place if place > start else stop


def _around(place: int, solid: Spans) -> tuple[int, int] | None:
    """The solid span that `place` would cut."""
    index = bisect_right(solid, place, key=lambda span: span[0]) - 1
    if index >= 0 and solid[index][0] < place < solid[index][1]:
        return solid[index]
    return None
