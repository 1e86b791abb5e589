"""An answer in the small Markdown of a WeCom app (企业微信自建应用).

It knows headings, bold, links, inline code, quotes and coloured text, each within one line, and
nothing to escape them with: a zero-width space takes the meaning from what only looks like them.
"""

import re
from collections.abc import Iterator, Sequence

from bots.markdown.cut import byte_spans, merged
from bots.markdown.letters import ZERO_WIDTH_SPACE, is_blank, is_punctuation
from bots.markdown.lines import Style, Written, write
from bots.markdown.nodes import Code, Inline, Link, Mark, Text, beside, flat, shown

MAX_BYTES = 2048
"""Most bytes of UTF-8 in a Markdown message of an app."""

_LONGEST_SPAN = 600
"""Bytes of bold, code, a link or a title; a longer one is written without its marks, so that no
mark has to be cut."""
_SIGNS = re.compile(r"<(?=[@/!a-z])|\*(?=\*)|(?<=\])(?=\()", re.IGNORECASE)
_LINE_SIGNS = re.compile(r"^(?=[ \t]*(?:#{1,6}\s|>))", re.MULTILINE)
_SPANS = re.compile(
    r"\[[^\[\]\n]*\]\([^()\s]*\)|\*\*(?:(?!\*\*)[^\n])+\*\*|`[^`\n]+`"
    r"|^ *(?:>|#{1,6}|[•☑☐]|\d+\.) \S?",
    re.MULTILINE,
)
_QUOTED = "> "


def render(markdown: str, limit: int = MAX_BYTES) -> tuple[str, ...]:
    """The messages of an answer, each of at most `limit` bytes; none if there is nothing to see."""
    return tuple(_parts(write(markdown, _STYLE), limit))


def _parts(written: Written, limit: int) -> Iterator[str]:
    text = written.text
    solid = merged(found.span() for found in _SPANS.finditer(text))
    for start, end in byte_spans(text, limit - len(_QUOTED), written.borders, solid):
        part = text[start:end].strip()
        if not is_blank(part):
            yield (_QUOTED if _is_within_quote(text, start) else "") + part


def _is_within_quote(text: str, place: int) -> bool:
    line = text.rfind("\n", 0, place) + 1
    return line < place and text.startswith(_QUOTED, line)


def _inlines(inlines: Sequence[Inline]) -> str:
    return _LINE_SIGNS.sub(ZERO_WIDTH_SPACE, "".join(_inline(inline) for inline in inlines))


def _inline(inline: Inline) -> str:
    match inline:
        case Text(text):
            return _plain(text)
        case Code(text):
            return _marked(_plain(text), "`")
        case Mark("bold", children):
            return _bold(children)
        case Mark(_, children):
            return _inlines(children)
        case Link(url, children):
            return _link(url, flat(children))


def _bold(children: Sequence[Inline]) -> str:
    """Bold around everything within; a mark within bold is not promised to work."""
    return _marked(_plain(flat(children)), "**") if _is_simple(children) else _inlines(children)


def _is_simple(inlines: Sequence[Inline]) -> bool:
    return not any(
        isinstance(inline, Link | Code)
        or (isinstance(inline, Mark) and not _is_simple(inline.children))
        for inline in inlines
    )


def _link(url: str, label: str) -> str:
    label = " ".join(_plain(label).split()).replace("[", "［").replace("]", "］")
    address = url.replace("(", "%28").replace(")", "%29")
    link = f"[{label}]({address})"
    if url.lower().startswith("http") and len(link.encode()) <= _LONGEST_SPAN:
        return link
    return beside(label, shown(url))


def _heading(level: int, title: Sequence[Inline]) -> str:
    line = _plain(flat(title))
    return f"{'#' * level} {line}" if len(line.encode()) <= _LONGEST_SPAN else line


def _plain(text: str) -> str:
    return _SIGNS.sub(lambda found: found[0] + ZERO_WIDTH_SPACE, text).replace("`", "ˋ")


def _marked(text: str, mark: str) -> str:
    """Each line between marks, if it is not long.

    Beside punctuation a mark stands apart by a zero-width space: else `**重要：**内容` is not bold.
    """
    return "\n".join(_marked_line(line.strip(), mark) for line in text.split("\n"))


def _marked_line(line: str, mark: str) -> str:
    if not line or len(line.encode()) > _LONGEST_SPAN:
        return line
    if mark == "**":
        line = (ZERO_WIDTH_SPACE if is_punctuation(line[0]) else "") + line
        line += ZERO_WIDTH_SPACE if is_punctuation(line[-1]) else ""
    return f"{mark}{line}{mark}"


_STYLE = Style(_inlines, _heading, _plain, _QUOTED)
