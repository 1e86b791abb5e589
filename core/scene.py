"""What an answer starts from: the request, and what is known before it is thought of."""

from dataclasses import dataclass

from core.enclosures import NOTHING, Enclosures
from core.memory import History
from core.replies import Origin, Outcome, Reply
from core.turn import Turn
from core.voice import Voice


@dataclass(frozen=True, slots=True)
class Background:
    """What Redis knows of a conversation before its turn."""

    history: History
    is_too_fast: bool = False
    """Whether the conversation asks more often than it may."""


@dataclass(frozen=True, slots=True)
class Request:
    """A turn to answer, and what a caller of the API may choose for itself."""

    turn: Turn
    background: Background
    enclosures: Enclosures = NOTHING
    voice: Voice | None = None
    """None routes by the turn's address."""
    remembers: bool = True
    """Whether the exchange goes into the conversation's memory."""
    instructions: str = ""
    """What the calling application adds to the persona."""


def remembered_question(turn: Turn, voice: Voice) -> str:
    """A turn as its conversation's memory knows it: filtered, its files by name."""
    files = [f"[{file.name or file.kind}]" for file in turn.attachments]
    return voice.matcher.filter("\n".join([turn.text, *files]).strip()).text


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known before an answer is thought of."""

    voice: Voice
    history: History
    language: str
    question: str

    def reply(self, text: str, outcome: Outcome, origin: Origin = Origin.FIXED) -> Reply:
        """A reply in this scene."""
        persona = self.voice.persona
        return Reply(
            text,
            outcome,
            origin,
            self.language,
            persona.id,
            persona.version,
            remembered_tokens=self.history.tokens,
        )

    def sentence(self, kind: str, outcome: Outcome) -> Reply:
        """One of the persona's fixed sentences."""
        return self.reply(self.voice.persona.sentence(kind, self.language), outcome)
