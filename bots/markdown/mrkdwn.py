"""An answer in mrkdwn, Slack's own and smaller markup, for the places that take nothing else."""

import re
from collections.abc import Iterable, Iterator, Sequence

from bots.markdown.grid import separator
from bots.markdown.letters import ZERO_WIDTH_SPACE, border
from bots.markdown.nodes import (
    Block,
    Code,
    CodeBlock,
    Heading,
    Inline,
    Link,
    Listing,
    Mark,
    Paragraph,
    Quote,
    Rule,
    Table,
    Text,
    flat,
)
from bots.markdown.tree import parse

MAX_CHARACTERS = 3000
"""Slack's limit for the text of a section; also a good length for a notification."""

_MARKS = {"bold": "*", "italic": "_", "strike": "~"}
_BROADCAST = re.compile(r"(?<![A-Za-z0-9])@(?=channel|here|everyone|group)", re.IGNORECASE)
_IDLE = re.compile(r"(?<=\s)\u200b+|^\u200b+|(?<!\u200b)\u200b++(?=\s|$)")
_HALF = re.compile(r"(?:<[^<>]*|&[a-z]*)$")
_FENCE = "```"
_INDENT = "    "


def to_mrkdwn(markdown: str) -> str:
    """The answer in mrkdwn, at most 3000 characters; a longer one ends in `…`.

    `&`, `<` and `>` are escaped, so nothing in it can mention anybody or call a channel together.
    """
    text = _IDLE.sub("", "\n".join(_lines(parse(markdown), "\n"))).strip()
    return text if len(text) <= MAX_CHARACTERS else _shortened(text)


def _shortened(text: str) -> str:
    room = MAX_CHARACTERS - len(f"\n…\n{_FENCE}")
    line = text.rfind("\n", room // 2, room)
    kept = text[: line if line > 0 else border(text, room)]
    kept = _HALF.sub("", kept).rstrip()
    if kept.count(_FENCE) % 2:
        return f"{kept}\n…\n{_FENCE}"
    return kept + ("\n…" if line > 0 else "…")


def _lines(blocks: Sequence[Block], gap: str) -> Iterator[str]:
    """The lines of blocks; `gap` stands between them."""
    for place, block in enumerate(blocks):
        if place and gap and not isinstance(blocks[place - 1], Heading):
            yield ""
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(children):
            yield from _inlines(children).split("\n")
        case Heading(_, children):
            yield from _marked(_inlines(_unbold(children)), "*").split("\n")
        case CodeBlock(text, _):
            yield from (_FENCE, *_escaped(text).split("\n"), _FENCE)
        case Quote(blocks):
            yield from (f"> {line}" for line in _lines(blocks, "\n"))
        case Listing():
            yield from _listing(block)
        case Table():
            yield from _table(block)
        case Rule():
            yield "———"


def _listing(listing: Listing) -> Iterator[str]:
    for place, item in enumerate(listing.items):
        mark = "•" if listing.first is None else f"{listing.first + place}."
        if item.checked is not None:
            mark = "☑" if item.checked else "☐"
        for number, line in enumerate(_lines(item.blocks, "") if item.blocks else ("",)):
            yield f"{_INDENT}{line}" if number else f"{mark} {line}"


def _table(table: Table) -> Iterator[str]:
    keys = [flat(key) for key in table.head]
    yield from () if table.rows else (" | ".join(_inlines(key) for key in table.head),)
    for row in table.rows:
        pairs = [(key, _inlines(cell)) for key, cell in zip(keys, row, strict=True) if cell]
        yield "• " + ", ".join(
            (_escaped(key + separator(key)) if key else "") + cell for key, cell in pairs
        )


def _inlines(inlines: Iterable[Inline]) -> str:
    return "".join(_inline(inline) for inline in inlines)


def _inline(inline: Inline) -> str:
    match inline:
        case Text(text):
            return _escaped(text)
        case Code(text):
            return _marked(_escaped(text).replace("`", "ˋ"), "`")
        case Mark(kind, children):
            return _marked(_inlines(children), _MARKS[kind])
        case Link(url, children):
            label = _escaped(flat(children)).replace("|", "¦").replace("\n", " ")
            address = url.replace("&", "&amp;").replace("|", "%7C").replace(">", "%3E")
            return f"<{address.replace('<', '%3C')}|{label}>"


def _unbold(inlines: Iterable[Inline]) -> Iterator[Inline]:
    """The inlines of a heading, which is bold as a whole."""
    for inline in inlines:
        if isinstance(inline, Mark) and inline.kind == "bold":
            yield from _unbold(inline.children)
        else:
            yield inline


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace(_FENCE, "ˋˋˋ")
    return _BROADCAST.sub("@" + ZERO_WIDTH_SPACE, text)


def _marked(text: str, mark: str) -> str:
    """Each line between marks; zero-width spaces make Slack see them within a word."""
    return "\n".join(
        line and f"{ZERO_WIDTH_SPACE}{mark}{line.strip()}{mark}{ZERO_WIDTH_SPACE}"
        for line in text.split("\n")
    )
