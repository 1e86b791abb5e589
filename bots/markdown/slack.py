"""An answer for Slack: its Markdown, made harmless and cut to what a `markdown` block takes."""

from bots.markdown.letters import clean, is_blank, utf16_length
from bots.markdown.mrkdwn import to_mrkdwn
from bots.markdown.neutral import Appender, neutralise
from bots.markdown.portions import utf16_portions

__all__ = ["MAX_CHARACTERS", "Appender", "neutralise", "render", "to_mrkdwn"]

MAX_CHARACTERS = 11_000
"""A markdown block takes 12,000 characters, all blocks of a message about 13,200; the rest is room
for what stands beside the answer. Counted in UTF-16 units, which are never fewer."""


def render(markdown: str) -> tuple[str, ...]:
    """The answer as Markdown texts for `markdown` blocks, one for each message.

    None if there is nothing to see. Code and tables that must be cut are closed and begun again.
    """
    text = neutralise(clean(markdown)).strip("\n").rstrip()
    if is_blank(text):
        return ()
    if utf16_length(text) <= MAX_CHARACTERS:
        return (text,)
    return tuple(utf16_portions(text, MAX_CHARACTERS))
