"""What goes out: the events of an answer, and the finished reply they end in."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_core import to_json


class Outcome(StrEnum):
    """How an accepted message ended; every message ends in exactly one."""

    ANSWERED = "answered"
    REFUSED = "refused"
    HANDED_OVER = "handed_over"
    FAILED = "failed"
    STOPPED = "stopped"
    """The customer wanted no more of it."""
    ABANDONED = "abandoned"
    """Whoever asked through the API hung up before the end."""


class Origin(StrEnum):
    """Who wrote the reply's text."""

    MODEL = "model"
    FAQ = "faq"
    PASSAGES = "passages"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Source:
    """A document an answer rests on, as shown to the customer."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a model's answer; estimates where the endpoint reported none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer, stored before its first part leaves."""

    text: str
    outcome: Outcome
    origin: Origin
    language: str
    persona: str
    persona_version: str
    sources: tuple[Source, ...] = ()
    usage: Usage = Usage()
    hits: tuple[str, ...] = ()
    """Moderation categories met, as `in:category` or `out:category`."""
    remembered_tokens: int = 0
    """Size of the conversation's memory when the answer was thought of."""
    is_cut: bool = False
    """A limit ended the answer before the model did."""
    fresh: bool = False
    """The conversation starts afresh with this reply."""

    def to_json(self) -> str:
        """Serialise for the delivery record."""
        return to_json(self).decode()

    @classmethod
    def from_json(cls, raw: str | bytes) -> "Reply":
        """Read back what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(raw)
        fields["outcome"] = Outcome(fields["outcome"])
        fields["origin"] = Origin(fields["origin"])
        fields["sources"] = tuple(Source(**source) for source in fields["sources"])
        fields["usage"] = Usage(**fields["usage"])
        fields["hits"] = tuple(fields["hits"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Delta:
    """More text, already moderated."""

    text: str


@dataclass(frozen=True, slots=True)
class Retract:
    """Forget what was shown of this answer."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end, exactly once: `reply.text` is the whole answer."""

    reply: Reply


ReplyEvent = Delta | Retract | Done
