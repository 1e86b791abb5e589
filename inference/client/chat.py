"""The words of the model floor: what is asked of a model and what it says."""

from dataclasses import dataclass
from typing import Literal

SESSION_HEADER = "X-Session-Id"
"""Tells a model server which requests are one conversation's, so that all of them take turns."""

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One message of a prompt."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to a model; `session` leads a conversation to the endpoint with its prefix.

    `adapter` is the LoRA adapter to answer with; an endpoint that lacks it answers without.
    """

    turns: tuple[ChatTurn, ...]
    session: str
    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.8
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer; token counts are None where the endpoint did not report them."""

    reason: Literal["stop", "length"]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
