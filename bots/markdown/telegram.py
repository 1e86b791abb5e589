"""An answer for Telegram: text and entities, in pieces that fit into messages.

Telegram has no lists, tables or headings. Headings become bold, list marks are written out, tables
are aligned in a fixed-width font or, if wide, written as pairs.
"""

import re
from collections.abc import Iterator, Sequence

from bots.markdown.draft import close_open
from bots.markdown.entities import (
    Entity,
    EntityKind,
    Format,
    Page,
    Piece,
    plain_text,
    spans_of,
)
from bots.markdown.grid import grid, separator
from bots.markdown.nodes import (
    Block,
    Code,
    CodeBlock,
    Heading,
    Inline,
    Item,
    Kind,
    Link,
    Listing,
    Mark,
    Paragraph,
    Quote,
    Rule,
    Table,
    Text,
    beside,
    flat,
    shown,
)
from bots.markdown.tree import parse

__all__ = ["Entity", "Piece", "plain_text", "render", "render_draft"]

_Style = frozenset[Format]
_PLAIN: _Style = frozenset()
_MARKS: dict[Kind, EntityKind] = {"bold": "bold", "italic": "italic", "strike": "strikethrough"}
_INDENT = "    "
_LINKABLE = re.compile(r"https?://[^\s/?#]*\w\.\w\S{0,2000}", re.IGNORECASE)
"""The server refuses a whole message for a link with another scheme or without a full host name;
mail addresses and phone numbers it finds by itself."""


def render(markdown: str) -> tuple[Piece, ...]:
    """The messages of an answer, each within Telegram's limits; none if there is nothing to see."""
    return tuple(_page(markdown).pieces())


def render_draft(markdown: str) -> Piece:
    """A snapshot of a growing answer, as one message.

    What is half written is closed or held back, so that the next snapshot changes nothing that is
    shown already. Empty if there is nothing to show.
    """
    return _page(close_open(markdown)).preview()


def _page(markdown: str) -> Page:
    writer = _Writer()
    writer.page(parse(markdown))
    text = "".join(text for text, _ in writer.runs)
    return Page(text, spans_of(writer.runs), writer.borders)


class _Writer:
    """Collects runs of text, each with the formats that hold for it."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, _Style]] = []
        self.borders: list[int] = []
        self._length = 0
        self._serial = 0

    def page(self, blocks: Sequence[Block]) -> None:
        """Write the whole answer and note where it may be cut."""
        for above, block in _neighbours(blocks):
            self._write(_gap(above, block), _PLAIN)
            if above and not isinstance(above, Heading):
                self.borders.append(self._length)
            self._block(block, _PLAIN, "")

    def _write(self, text: str, style: _Style) -> None:
        if text:
            self.runs.append((text, style))
            self._length += len(text)

    def _with(self, style: _Style, kind: EntityKind, url: str = "", language: str = "") -> _Style:
        if any(fmt.kind == kind for fmt in style):
            return style
        self._serial += 1
        return style | {Format(self._serial, kind, url, language)}

    def _block(self, block: Block, style: _Style, indent: str) -> None:
        match block:
            case Paragraph(children):
                self._inlines(children, style, indent)
            case Heading(_, children):
                self._inlines(children, self._with(style, "bold"), indent)
            case CodeBlock(text, language):
                self._write(text, self._with(style, "pre", language=language))
            case Quote(blocks):
                self._quote(blocks, self._with(style, "blockquote"))
            case Listing():
                self._listing(block, style, indent)
            case Table():
                self._table(block, style)
            case Rule():
                self._write("———", style)

    def _quote(self, blocks: Sequence[Block], style: _Style) -> None:
        for above, block in _neighbours(blocks):
            self._write(_gap(above, block), style)
            self._block(block, style, "")

    def _listing(self, listing: Listing, style: _Style, indent: str) -> None:
        for place, item in enumerate(listing.items):
            mark = "•" if listing.first is None else f"{listing.first + place}."
            if item.checked is not None:
                mark = "☑" if item.checked else "☐"
            self._write(("\n" if place else "") + f"{indent}{mark} ", style)
            self._item(item, style, indent + _INDENT)

    def _item(self, item: Item, style: _Style, indent: str) -> None:
        for place, block in enumerate(filter(_has_content, item.blocks)):
            flows = isinstance(block, Paragraph | Heading)
            if place or not flows:
                self._write("\n" + (indent if flows else ""), style)
            self._block(block, style, indent)

    def _table(self, table: Table, style: _Style) -> None:
        if text := grid(table):
            self._write(text, self._with(style, "pre"))
            return
        keys = [flat(key) for key in table.head] if table.rows else [""] * len(table.head)
        for place, row in enumerate(table.rows or (table.head,)):
            self._write("\n\n" if place else "", style)
            pairs = [(key, cell) for key, cell in zip(keys, row, strict=True) if cell]
            for number, (key, cell) in enumerate(pairs):
                self._write("\n" if number else "", style)
                self._write(key and key + separator(key), style)
                self._inlines(cell, style, "")

    def _inlines(self, inlines: Sequence[Inline], style: _Style, indent: str) -> None:
        for inline in inlines:
            match inline:
                case Text(text):
                    self._write(text.replace("\n", "\n" + indent), style)
                case Code(text):
                    self._write(text, self._code(style))
                case Mark(kind, children):
                    self._inlines(children, self._with(style, _MARKS[kind]), indent)
                case Link(url, children):
                    self._link(url, children, style, indent)

    def _link(self, url: str, label: Sequence[Inline], style: _Style, indent: str) -> None:
        if _LINKABLE.fullmatch(url):
            self._inlines(label, self._with(style, "text_link", url), indent)
            return
        self._inlines(label, style, indent)
        text = flat(label)
        self._write(beside(text, shown(url)).removeprefix(text), style)

    def _code(self, style: _Style) -> _Style:
        """The style of code: only a quote may hold it, and a link's label cannot be code."""
        if any(fmt.url for fmt in style):
            return style
        quote = frozenset(fmt for fmt in style if fmt.kind == "blockquote")
        return self._with(quote, "code")


def _neighbours(blocks: Sequence[Block]) -> Iterator[tuple[Block | None, Block]]:
    """The blocks with something to see, each with the one above it."""
    above: Block | None = None
    for block in filter(_has_content, blocks):
        yield above, block
        above = block


def _gap(above: Block | None, below: Block) -> str:
    if above is None:
        return ""
    introduces = isinstance(above, Paragraph) and isinstance(below, Listing)
    return "\n" if introduces or isinstance(above, Heading) else "\n\n"


def _has_content(block: Block) -> bool:
    match block:
        case CodeBlock(text, _):
            return bool(text.strip())
        case Paragraph(children) | Heading(_, children):
            return bool(children)
    return True
