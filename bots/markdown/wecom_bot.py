"""An answer for WeCom's AI bot (智能机器人), which reads nearly all of Markdown."""

from bots.markdown.cut import byte_reach
from bots.markdown.draft import close_open
from bots.markdown.letters import ZERO_WIDTH_SPACE, border, clean, is_blank
from bots.markdown.neutral import neutralise
from bots.markdown.portions import byte_portions

MAX_BYTES = 20_480
"""Most bytes of UTF-8 in one message, streamed or not."""

_LESS = "<" + ZERO_WIDTH_SPACE
"""Whether the client knows `&lt;` is not written anywhere; this shows as it should either way."""


def render(markdown: str) -> tuple[str, ...]:
    """The messages of an answer, each within the limit; none if there is nothing to see.

    Nothing in them mentions anybody (`<@userid>`) or hides where a link leads.
    """
    text = _harmless(markdown)
    if is_blank(text):
        return ()
    return (text,) if len(text.encode()) <= MAX_BYTES else tuple(byte_portions(text, MAX_BYTES))


def snapshot(markdown: str) -> str:
    """All of a growing answer, or its beginning and `…`; empty if there is nothing to show yet."""
    text = _harmless(close_open(markdown))
    if len(text.encode()) > MAX_BYTES:
        text = text[: border(text, byte_reach(text, 0, MAX_BYTES - len("…".encode())))] + "…"
    return "" if is_blank(text) else text


def _harmless(markdown: str) -> str:
    return neutralise(clean(markdown), less=_LESS).strip("\n").rstrip()
