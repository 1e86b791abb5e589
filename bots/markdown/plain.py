"""An answer as plain text, for the customers' WeChat (微信客服), which shows no markup at all."""

import re
from collections.abc import Sequence

from bots.markdown.cut import bare_urls, byte_parts, merged
from bots.markdown.lines import Style, write
from bots.markdown.nodes import Code, Inline, Link, Mark, Text, flat, shown

MAX_BYTES = 2048
"""Most bytes of UTF-8 in a text of WeCom, in 微信客服 and in an app's message alike."""

_TAG = re.compile(r"<(?=/?a\b)", re.IGNORECASE)


def render(markdown: str, limit: int = MAX_BYTES) -> tuple[str, ...]:
    """The messages of an answer, each of at most `limit` bytes; none if there is nothing to see."""
    written = write(markdown, _STYLE)
    solid = merged(bare_urls(written.text))
    return tuple(byte_parts(written.text, limit, written.borders, solid))


def _inlines(inlines: Sequence[Inline]) -> str:
    return "".join(_inline(inline) for inline in inlines)


def _inline(inline: Inline) -> str:
    match inline:
        case Text(text) | Code(text):
            return _plain(text)
        case Mark(_, children):
            return _inlines(children)
        case Link(url, children):
            return _link(url, flat(children))


def _link(url: str, label: str) -> str:
    """The label and the address, or one of them if they say the same."""
    if shown(url) in label:
        return _plain(label)
    address = url if url.lower().startswith("http") else shown(url)
    return _plain(label) if address in label else f"{_plain(label)}（{address}）"


def _heading(_: int, title: Sequence[Inline]) -> str:
    return f"【{_inlines(title)}】"


def _plain(text: str) -> str:
    """WeChat makes a link of `<a href>` even in a text; nobody may hide where one leads."""
    return _TAG.sub("<\u200b", text)


_STYLE = Style(_inlines, _heading, _plain)
