"""The dialect that language models write: CommonMark with tables and strikethrough, and repairs.

Each repair is a subclass or a rule of our own parser object; the library stays as it is for
everybody else in the process. Written against markdown-it-py 4.3.

- Bold beside Chinese punctuation (`这是**重要：**内容`) is bold.
- Stars that multiply (`3*4*5`) stay.
- Whatever CommonMark would drop (link definitions, the cells of a row that is longer than its
  table, what is nested too deeply) stays as text, and so do HTML tags.
- `---` under a line is a rule and does not turn that line into a heading.
"""

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.parser_block import ParserBlock
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import escapedSplit, table
from markdown_it.rules_inline import StateInline, autolink
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType
from typing_extensions import override

from bots.markdown.letters import is_punctuation

MAX_LEVEL = 16
"""Levels of quotes and lists (a list takes two); what lies deeper is text."""

SCHEMES = ("http://", "https://", "mailto:", "tel:")
"""Links that a customer may be led to."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|[./#?]", re.IGNORECASE)
_ANGLE_LINK = re.compile(r"<(?:https?://|mailto:|[^\s:<>@]+@)", re.IGNORECASE)
_OPERAND = re.compile(r"[0-9A-Za-z]")


def parse_tokens(markdown: str) -> list[Token]:
    """The library's flat tokens of a text."""
    return _dialect().parse(markdown)


def is_allowed(url: str) -> bool:
    """Whether an address may become a link."""
    return url.lower().startswith(SCHEMES)


def is_product(before: str, stars: int, after: str) -> bool:
    """Whether stars between these two characters multiply instead of marking."""
    if before.isdigit() and after.isdigit():
        return True
    left = _OPERAND.match(before) or before in (")", "]")
    right = _OPERAND.match(after) or after in ("(", "[")
    return stars == 1 and bool(left and right)


class _Inline(StateInline):
    @override
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        """Judge a run of marks; only ASCII punctuation can keep one from opening or closing."""
        marker = self.src[start]
        if marker == "_":
            return super().scanDelims(start, canSplitWord)
        end = start
        while end < self.posMax and self.src[end] == marker:
            end += 1
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < self.posMax else " "
        if marker == "*" and is_product(before, end - start, after):
            return Scanned(False, False, end - start)
        opens = not after.isspace() and (not _obstructs(after) or _yields(before))
        closes = not before.isspace() and (not _obstructs(before) or _yields(after))
        return Scanned(opens, closes, end - start)


def _obstructs(character: str) -> bool:
    return character.isascii() and is_punctuation(character)


def _yields(character: str) -> bool:
    """Whether marks between this character and ASCII punctuation still count."""
    return character.isspace() or not character.isascii() or is_punctuation(character)


class _InlineParser(ParserInline):
    @override
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _Inline(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _BlockParser(ParserBlock):
    @override
    def tokenize(self, state: StateBlock, startLine: int, endLine: int) -> None:
        """Parse the lines; where the library would drop what is nested too deeply, keep it."""
        if state.level < MAX_LEVEL:
            super().tokenize(state, startLine, endLine)
            return
        line = startLine
        while line < endLine and (state.isEmpty(line) or state.sCount[line] >= state.blkIndent):
            line += 1
        content = state.getLines(startLine, line, state.blkIndent, False).strip()
        state.line = line
        if content:
            _push_paragraph(state, content, startLine)


def _push_paragraph(state: StateBlock, content: str, line: int) -> None:
    state.push("paragraph_open", "p", 1).map = [line, state.line]
    inline = state.push("inline", "", 0)
    inline.content = content
    inline.map = [line, state.line]
    inline.children = []
    state.push("paragraph_close", "p", -1)


class _Dialect(MarkdownIt):
    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.inline = _InlineParser()
        self.block = _BlockParser()
        self.configure("commonmark", {"html": False})
        self.enable(["table", "strikethrough"])
        self.disable(["html_inline", "html_block", "reference", "lheading"])
        self.inline.ruler.at("autolink", _autolink)
        self.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})

    @override
    def validateLink(self, url: str) -> bool:
        """Take for a link what looks like an address; `items[0](见下文)` does not."""
        return _ADDRESS.search(url) is not None


@cache
def _dialect() -> _Dialect:
    return _Dialect()


def _autolink(state: StateInline, silent: bool) -> bool:
    """Take `<https://...>` for a link, but leave `<std:vector>` as it is."""
    return _ANGLE_LINK.match(state.src, state.pos) is not None and autolink(state, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse a table; cells beyond the last column go into the last column."""
    first = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    if not silent:
        for place in range(first, len(state.tokens)):
            if state.tokens[place].type == "tr_open":
                _keep_extra_cells(state, place)
    return True


def _keep_extra_cells(state: StateBlock, place: int) -> None:
    """Give the last cell of the row at `place` the cells that the library dropped."""
    line = (state.tokens[place].map or [0])[0]
    source = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].strip()
    cells = escapedSplit(source.removeprefix("|").removesuffix("|"))
    last = place
    columns = 0
    while state.tokens[last].type != "tr_close":
        columns += state.tokens[last].type == "inline"
        last += 1
    if len(cells) > columns:
        state.tokens[last - 2].content = " | ".join(cell.strip() for cell in cells[columns - 1 :])
