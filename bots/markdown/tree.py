"""Parse an answer into the small tree that every renderer walks."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it.common.normalize_url import normalizeLinkText
from markdown_it.token import Token

from bots.markdown.dialect import is_allowed, parse_tokens
from bots.markdown.letters import clean
from bots.markdown.nodes import (
    Align,
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
    flat,
    shown,
)

MAX_MARKS = 8
"""Marks inside marks; deeper ones are dropped, their text stays."""

_TASK = re.compile(r"\[([ xX])\]\s+")
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}")


def parse(markdown: str) -> tuple[Block, ...]:
    """Parse an answer. Never raises, drops no visible text, and bounds how deep the tree is."""
    tokens = iter(parse_tokens(clean(markdown)))
    return tuple(_blocks(tokens, ""))


def _blocks(tokens: Iterator[Token], until: str) -> Iterator[Block]:
    """The blocks up to the closing token `until`, which is taken too."""
    for token in tokens:
        if token.type == until:
            return
        yield _block(token, tokens)


def _block(token: Token, tokens: Iterator[Token]) -> Block:
    build = _BUILDERS.get(token.type)
    return build(token, tokens) if build else Paragraph(_inline_block(tokens))


def _code(token: Token, _: Iterator[Token]) -> CodeBlock:
    language = _LANGUAGE.match(token.info.strip())
    return CodeBlock(token.content.rstrip("\n"), language[0] if language else "")


def _numbered(token: Token, tokens: Iterator[Token]) -> Listing:
    first = int(token.attrs.get("start", 1))
    return Listing(tuple(_items(tokens, "ordered_list_close")), first)


def _inline_block(tokens: Iterator[Token]) -> tuple[Inline, ...]:
    """The inlines of a paragraph, heading or cell of which the opening token was taken."""
    inlines = _inlines(next(tokens).children or [])
    next(tokens)
    return inlines


def _items(tokens: Iterator[Token], until: str) -> Iterator[Item]:
    for token in tokens:
        if token.type == until:
            return
        yield _item(tuple(_blocks(tokens, "list_item_close")))


def _item(blocks: tuple[Block, ...]) -> Item:
    match blocks:
        case (Paragraph((Text(text), *inlines)), *others) if task := _TASK.match(text):
            rest = (Text(text[task.end() :]), *inlines)
            return Item((Paragraph(rest), *others), task[1] != " ")
    return Item(blocks)


def _table(tokens: Iterator[Token]) -> Table:
    rows: list[list[tuple[Inline, ...]]] = []
    aligns: list[Align] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            if token.type == "th_open":
                aligns.append(_align(token))
            rows[-1].append(_inline_block(tokens))
    head, *others = (tuple(row) for row in rows)
    return Table(head, tuple(others), tuple(aligns))


def _align(token: Token) -> Align:
    match str(token.attrs.get("style", "")).removeprefix("text-align:"):
        case "right":
            return "right"
        case "center":
            return "center"
    return "left"


@dataclass(slots=True)
class _Open:
    """A mark or link that is not closed yet; `token` is None for the whole and for dropped ones."""

    token: Token | None
    children: list[Inline] = field(default_factory=list)

    def add(self, inline: Inline) -> None:
        """Append; neighbouring texts become one."""
        if isinstance(inline, Text) and self.children and isinstance(self.children[-1], Text):
            inline = Text(self.children.pop().text + inline.text)  # type: ignore[union-attr]
        if not isinstance(inline, Text) or inline.text:
            self.children.append(inline)


_KINDS: dict[str, Kind] = {"strong": "bold", "em": "italic", "s": "strike"}


def _inlines(tokens: Sequence[Token]) -> tuple[Inline, ...]:
    stack = [_Open(None)]
    skipped = 0
    for token in tokens:
        if token.nesting == 1:
            if len(stack) > MAX_MARKS:
                skipped += 1
            else:
                stack.append(_Open(token))
        elif token.nesting == -1:
            if skipped:
                skipped -= 1
            else:
                closed = stack.pop()
                for inline in _closed(closed):
                    stack[-1].add(inline)
        else:
            for inline in _leaf(token):
                stack[-1].add(inline)
    return tuple(stack[0].children)


def _closed(opened: _Open) -> tuple[Inline, ...]:
    children = tuple(opened.children)
    if opened.token is None:
        return children
    if kind := _KINDS.get(opened.token.tag):
        return (Mark(kind, children),) if children else ()
    return _linked(str(opened.token.attrs.get("href", "")), children)


def _linked(url: str, label: tuple[Inline, ...]) -> tuple[Inline, ...]:
    if not flat(label).strip():
        label = (Text(shown(url)),)
    if is_allowed(url):
        return (Link(url, label),)
    return label if url in flat(label) else (*label, Text(f" ({normalizeLinkText(url)})"))


def _leaf(token: Token) -> tuple[Inline, ...]:
    match token.type:
        case "code_inline":
            return (Code(token.content),)
        case "softbreak" | "hardbreak":
            return (Text("\n"),)
        case "image":
            url = str(token.attrs.get("src", ""))
            return _linked(url, (Text(flat(_inlines(token.children or []))),))
    return (Text(token.content),)


_BUILDERS: dict[str, Callable[[Token, Iterator[Token]], Block]] = {
    "heading_open": lambda token, tokens: Heading(int(token.tag[1]), _inline_block(tokens)),
    "fence": _code,
    "code_block": _code,
    "blockquote_open": lambda _, tokens: Quote(tuple(_blocks(tokens, "blockquote_close"))),
    "bullet_list_open": lambda _, tokens: Listing(tuple(_items(tokens, "bullet_list_close"))),
    "ordered_list_open": _numbered,
    "table_open": lambda _, tokens: _table(tokens),
    "hr": lambda _, __: Rule(),
}
