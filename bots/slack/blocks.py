"""An answer in Slack's blocks, within Slack's limits. Pure.

A message takes 50 blocks, 12,000 characters of Markdown and about 13,200 characters in all
(https://docs.slack.dev/reference/block-kit/blocks); a longer answer becomes several messages. The
sources and the thumbs stand under the last one.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bots.markdown.slack import render, to_mrkdwn
from bots.slack.words import say
from core.replies import Origin, Reply, Source

Body = dict[str, Any]

GROWING = "…"
"""Stands for an answer of which nothing can be shown yet."""
MOST_SOURCES = 5
TITLE = 120
SECTION = 2_900
"""Characters of a section; Slack takes 3,000."""
NOTIFIED = 300
"""Characters in the notification of an answer that still grows."""
UP, DOWN = "xiaoq_up", "xiaoq_down"
THUMBS = "xiaoq_thumbs"


class Layout(IntEnum):
    """How an answer is set; where Slack refuses one the next is tried, and no word is lost."""

    RICH = 0
    """Markdown with Slack's own pair of thumbs."""
    BUTTONS = 1
    """Markdown with two ordinary buttons."""
    PLAIN = 2
    """Plain text in sections."""


@dataclass(frozen=True, slots=True)
class Thumbs:
    """What the two buttons under an answer carry."""

    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Part:
    """One message of an answer."""

    markdown: str
    """Harmless already; at most 11,000 characters."""
    source: str
    """The Markdown that a notification tells of."""
    language: str = ""
    sources: str = ""
    thumbs: Thumbs | None = None
    is_growing: bool = False

    @property
    def notification(self) -> str:
        """mrkdwn for where no blocks are shown; made where it is needed, which no stream does."""
        if self.is_growing:
            return _escaped(self.markdown[:NOTIFIED])
        return to_mrkdwn(self.source) or GROWING

    def blocks(self, layout: Layout) -> list[Body]:
        """All of it."""
        if layout is Layout.PLAIN:
            return [*_sections(self.markdown), *self.foot(layout)]
        return [{"type": "markdown", "text": self.markdown}, *self.foot(layout)]

    def foot(self, layout: Layout) -> list[Body]:
        """What stands under the words."""
        blocks: list[Body] = []
        if self.sources:
            # Plain text: nothing in a title can become a link or call anybody.
            blocks.append({"type": "context", "elements": [_plain(self.sources)]})
        if self.thumbs and layout is Layout.RICH:
            blocks.append(_feedback(self.thumbs, self.language))
        elif self.thumbs and layout is Layout.BUTTONS:
            blocks.append(_buttons(self.thumbs, self.language))
        return blocks


def growing(text: str) -> Part:
    """As much of an unfinished answer as one message shows."""
    shown = render(text)[:1] or (GROWING,)
    return Part(shown[0], text, is_growing=True)


def lay_out(reply: Reply, thumbs: Thumbs) -> tuple[Part, ...]:
    """The messages of a finished answer, at least one.

    Fixed sentences get no thumbs: there is nothing to learn from a vote on a greeting.
    """
    texts = render(reply.text) or (GROWING,)
    sources = (reply.text, *texts[1:])
    *others, (text, source) = zip(texts, sources, strict=True)
    end = Part(
        text,
        source,
        reply.language,
        _listed(reply.sources, reply.language),
        None if reply.origin is Origin.FIXED else thumbs,
    )
    return (*(Part(*other) for other in others), end)


def _listed(sources: Sequence[Source], language: str) -> str:
    titles = [html.unescape(source.title).strip()[:TITLE] for source in sources[:MOST_SOURCES]]
    named = list(dict.fromkeys(filter(None, titles)))
    return f"{say('sources', language)}: {' · '.join(named)}" if named else ""


def _escaped(text: str) -> str:
    """Harmless Markdown as mrkdwn, without the time that parsing takes."""
    words = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return html.escape(words, quote=False)


def _sections(text: str) -> list[Body]:
    whole = html.unescape(text)
    pieces = [whole[at : at + SECTION] for at in range(0, len(whole), SECTION)]
    return [{"type": "section", "text": _plain(piece)} for piece in pieces]


def _feedback(thumbs: Thumbs, language: str) -> Body:
    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": THUMBS,
                "positive_button": {"text": _plain(say("good", language)), "value": thumbs.up},
                "negative_button": {"text": _plain(say("bad", language)), "value": thumbs.down},
            }
        ],
    }


def _buttons(thumbs: Thumbs, language: str) -> Body:
    choices = ((UP, "👍", "good", thumbs.up), (DOWN, "👎", "bad", thumbs.down))
    return {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": action,
                "text": _plain(f"{sign} {say(word, language)}"),
                "value": value,
            }
            for action, sign, word, value in choices
        ],
    }


def _plain(text: str) -> Body:
    return {"type": "plain_text", "text": text, "emoji": False}
