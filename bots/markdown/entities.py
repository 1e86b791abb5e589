"""Telegram's way to format: plain text, and beside it a list of what stands where.

Limits from the Bot API: 4096 characters after parsing and 100 entities a message; offsets and
lengths count UTF-16 units. Entities of a piece are nested properly and neither `code` nor `pre`
holds another, which is what the server demands.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, NamedTuple

from bots.markdown.cut import bare_urls, find_cut, merged
from bots.markdown.letters import astral_places, border, is_blank, utf16_length
from bots.markdown.nodes import beside

MAX_UNITS = 4096
MAX_ENTITIES = 100

EntityKind = Literal["bold", "italic", "strikethrough", "code", "pre", "text_link", "blockquote"]


@dataclass(frozen=True, slots=True)
class Entity:
    """Telegram's MessageEntity; `offset` and `length` in UTF-16 units of the piece's text."""

    kind: EntityKind
    offset: int
    length: int
    url: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One message."""

    text: str
    entities: tuple[Entity, ...] = ()


class Format(NamedTuple):
    """What an entity says about its text; `serial` tells marks apart, outer first."""

    serial: int
    kind: EntityKind
    url: str = ""
    language: str = ""


class Span(NamedTuple):
    """A format and where it holds, in code points."""

    start: int
    end: int
    format: Format


def plain_text(piece: Piece) -> str:
    """The text with the addresses behind their labels, for when Telegram refuses the entities.

    For a piece made by `Page.pieces` it keeps Telegram's limit too.
    """
    data = piece.text.encode("utf-16-le")
    for entity in reversed(piece.entities):
        if entity.kind == "text_link":
            start, end = entity.offset * 2, (entity.offset + entity.length) * 2
            label = beside(data[start:end].decode("utf-16-le"), entity.url)
            data = data[:start] + label.encode("utf-16-le") + data[end:]
    return data.decode("utf-16-le")


def spans_of(runs: Sequence[tuple[str, frozenset[Format]]]) -> list[Span]:
    """The spans of formatted runs, outer before inner; runs that share a format share its span."""
    spans: list[Span] = []
    opened: dict[Format, int] = {}
    place = 0
    for text, formats in (*runs, ("", frozenset[Format]())):
        ended = [fmt for fmt in opened if fmt not in formats]
        spans.extend(Span(opened.pop(fmt), place, fmt) for fmt in ended)
        for fmt in formats:
            opened.setdefault(fmt, place)
        place += len(text)
    return sorted(spans, key=lambda span: (span.start, -span.end, span.format))


class Page:
    """A whole answer before it is cut into pieces.

    `spans` are sorted; `borders` are places, sorted, where a cut parts nothing.
    """

    def __init__(self, text: str, spans: Sequence[Span], borders: Sequence[int]) -> None:
        self._text = text
        self._spans = spans
        self._borders = borders
        self._astral = astral_places(text)
        self._links = [span for span in spans if span.format.url]

    def pieces(self) -> Iterator[Piece]:
        """The messages of the answer; none if there is nothing to see.

        Only white space at the cuts is lost. A format that must be cut goes on in the next piece.
        """
        start = 0
        while start < len(self._text):
            stop = self._stop(start, MAX_UNITS)
            end = find_cut(self._text, start, stop, self._borders, self._solid)
            piece = self._piece(start, end)
            if not is_blank(piece.text):
                yield piece
            start = end

    def preview(self) -> Piece:
        """The answer as one message; if it is too long, its beginning and `…`."""
        stop = self._stop(0, MAX_UNITS - 1)
        if stop >= len(self._text):
            return self._piece(0, stop)
        piece = self._piece(0, border(self._text, stop))
        return Piece(piece.text + "…", piece.entities)

    @cached_property
    def _solid(self) -> list[tuple[int, int]]:
        links = ((span.start, span.end) for span in self._links)
        return merged((*links, *bare_urls(self._text)))

    def _stop(self, start: int, limit: int) -> int:
        """How far a piece may reach at most."""
        stop = min(len(self._text), start + limit)
        running = sum(1 for span in self._spans if span.start < start < span.end)
        last = bisect_left(self._spans, start, key=lambda span: span.start) + MAX_ENTITIES - running
        if last < len(self._spans):
            stop = min(stop, self._spans[last].start)
        fitting = bisect_right(range(start + 1, stop + 1), limit, key=partial(self._units, start))
        return min(start + max(fitting, 1), len(self._text))

    def _units(self, start: int, stop: int) -> int:
        """Length of the stretch as `plain_text` would have it."""
        return (
            stop
            - start
            + bisect_left(self._astral, stop)
            - bisect_left(self._astral, start)
            + sum(
                utf16_length(span.format.url) + len(" ()")
                for span in self._links
                if span.start < stop and span.end > start
            )
        )

    def _piece(self, start: int, end: int) -> Piece:
        inside = [span for span in self._spans if span.start < end and span.end > start]
        code = [span for span in inside if span.format.kind in ("code", "pre")]
        while start < end and self._text[start].isspace():
            if self._text[start] != "\n" and any(a <= start < b for a, b, _ in code):
                break  # the indentation of code
            start += 1
        end = start + len(self._text[start:end].rstrip())
        entities = (self._entity(span, start, end) for span in inside)
        return Piece(self._text[start:end], tuple(entity for entity in entities if entity.length))

    def _entity(self, span: Span, start: int, end: int) -> Entity:
        first, last = max(span.start, start), max(min(span.end, end), start)
        offset = self._offset(first) - self._offset(start)
        length = max(self._offset(last) - self._offset(first), 0)
        return Entity(span.format.kind, offset, length, span.format.url, span.format.language)

    def _offset(self, place: int) -> int:
        return place + bisect_left(self._astral, place)
