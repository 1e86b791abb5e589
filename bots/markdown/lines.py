"""An answer as lines of text, for platforms that know little markup or none.

Lists keep their marks and levels, tables become pairs of key and value, and what a platform can
show of the rest is said by its `Style`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bots.markdown.grid import separator
from bots.markdown.nodes import (
    Block,
    CodeBlock,
    Heading,
    Inline,
    Listing,
    Paragraph,
    Quote,
    Rule,
    Table,
    flat,
)
from bots.markdown.tree import parse

_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Style:
    """How one platform writes what is more than a line of text."""

    inlines: Callable[[Sequence[Inline]], str]
    heading: Callable[[int, Sequence[Inline]], str]
    """Level and title, which is one line."""
    plain: Callable[[str], str]
    """Text without meaning of its own, such as code and the keys of a table."""
    quoted: str = ""
    """Begins each line of a quote and of code."""


@dataclass(frozen=True, slots=True)
class Written:
    """A whole answer, and the places in it where a cut parts nothing, sorted."""

    text: str
    borders: tuple[int, ...]


def write(markdown: str, style: Style) -> Written:
    """Write an answer in a style; the text is empty if there is nothing to see."""
    text, borders = "", list[int]()
    above: Block | None = None
    for block in parse(markdown):
        written = "\n".join(_block(block, style))
        if not written.strip():
            continue
        text += _gap(above, block)
        if above and not isinstance(above, Heading):
            borders.append(len(text))
        text += written
        above = block
    return Written(text, tuple(borders))


def _gap(above: Block | None, below: Block) -> str:
    if above is None:
        return ""
    introduces = isinstance(above, Paragraph) and isinstance(below, Listing)
    return "\n" if introduces or isinstance(above, Heading) else "\n\n"


def _block(block: Block, style: Style) -> Iterator[str]:
    match block:
        case Paragraph(children):
            yield from style.inlines(children).split("\n")
        case Heading(level, children):
            yield style.heading(level, children)
        case CodeBlock(text, _) if text.strip():
            yield from (style.quoted + style.plain(line) for line in text.split("\n"))
        case Quote(blocks):
            yield from _quote(blocks, style)
        case Listing():
            yield from _listing(block, style)
        case Table():
            yield from _table(block, style)
        case Rule():
            yield "———"


def _quote(blocks: Sequence[Block], style: Style) -> Iterator[str]:
    for place, block in enumerate(blocks):
        if place:
            yield style.quoted.rstrip()
        for line in _block(block, style):
            yield line if style.quoted and line.startswith(style.quoted) else style.quoted + line


def _listing(listing: Listing, style: Style) -> Iterator[str]:
    for place, item in enumerate(listing.items):
        mark = "•" if listing.first is None else f"{listing.first + place}."
        if item.checked is not None:
            mark = "☑" if item.checked else "☐"
        lines = [line for block in item.blocks for line in _block(block, style)]
        for number, line in enumerate(lines or [""]):
            is_flush = style.quoted and line.startswith(style.quoted)
            yield (line if is_flush else _INDENT + line) if number else f"{mark} {line}"


def _table(table: Table, style: Style) -> Iterator[str]:
    keys = [flat(key) for key in table.head] if table.rows else [""] * len(table.head)
    for place, row in enumerate(table.rows or (table.head,)):
        if place:
            yield ""
        for key, cell in zip(keys, row, strict=True):
            if cell:
                yield (style.plain(key) + separator(key) if key else "") + style.inlines(cell)
