"""An answer as a small tree of blocks and inlines: what every renderer walks.

The tree holds only links that may be followed; images have become links, and addresses with another
scheme have become text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markdown_it.common.normalize_url import normalizeLinkText

Kind = Literal["bold", "italic", "strike"]
Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text; a line break in it is meant."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Code within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Emphasis of one kind."""

    kind: Kind
    children: "tuple[Inline, ...]"


@dataclass(frozen=True, slots=True)
class Link:
    """A link with one of the allowed schemes; `url` is percent-encoded."""

    url: str
    children: "tuple[Inline, ...]"


Inline = Text | Code | Mark | Link


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A title of level 1 to 6."""

    level: int
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Code in lines of its own; `language` is empty if not given."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Quoted blocks."""

    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list; `checked` only for a task."""

    blocks: "tuple[Block, ...]"
    checked: bool | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; `first` is the number of its first item, None if it has bullets."""

    items: tuple[Item, ...]
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; every row is as long as the head."""

    head: "Row"
    rows: "tuple[Row, ...]"
    aligns: tuple[Align, ...]


Row = tuple[tuple[Inline, ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block = Paragraph | Heading | CodeBlock | Quote | Listing | Table | Rule


def flat(inlines: Sequence[Inline]) -> str:
    """The text of inlines without their marks and links."""
    return "".join(
        inline.text if isinstance(inline, Text | Code) else flat(inline.children)
        for inline in inlines
    )


def beside(label: str, address: str) -> str:
    """A link as text: the label and the address, or the address alone if that is the label."""
    return label if not address or address in label else f"{label} ({address})".lstrip()


def shown(url: str) -> str:
    """An address as a reader likes it: without `mailto:`, with percent-encoded letters decoded."""
    return normalizeLinkText(re.sub(r"^(?:mailto|tel):", "", url, flags=re.IGNORECASE))
