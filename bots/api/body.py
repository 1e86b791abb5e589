"""What callers send: a chat-completions body, read into words of ours. Pure."""

import re
import time
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bots.api.errors import ApiError
from core.enclosures import Sampling
from core.memory import Exchange, History
from inference.client.tokens import estimate_tokens

MESSAGES = 200
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _as_parts(content: object) -> object:
    """Take a plain text as a list of one text part."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise PydanticCustomError("content", "Input should be text or a list of text parts")
    return content


def _without_unseen(text: str) -> str:
    return UNSEEN.sub("", text)


class TextPart(BaseModel):
    """A part of a message's content; other kinds than text are refused."""

    type: Literal["text"]
    text: Annotated[str, AfterValidator(_without_unseen)]


class ChatMessage(BaseModel):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[tuple[TextPart, ...], BeforeValidator(_as_parts)]

    @property
    def text(self) -> str:
        """The content as one text."""
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream should carry besides text."""

    include_usage: bool = False


class CompletionBody(BaseModel):
    """What is read of a request; other fields are ignored, as OpenAI's clients expect."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    messages: list[ChatMessage] = Field(min_length=1, max_length=MESSAGES)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    user: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: Literal[1] = 1

    @model_validator(mode="before")
    @classmethod
    def _take_null_as_absent(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}

    @property
    def question(self) -> str:
        """All that the user said since the last answer."""
        asked: list[str] = []
        for message in self.messages:
            if message.role == "user":
                asked.append(message.text)
            elif message.role == "assistant":
                asked = []
        return "\n".join(asked)

    @property
    def history(self) -> History:
        """The conversation as its caller tells it, up to the last answer."""
        exchanges: list[Exchange] = []
        asked: list[str] = []
        for message in self.messages:
            if message.role == "user":
                asked.append(message.text)
            elif message.role == "assistant":
                exchanges.append(_exchange("\n".join(asked), message.text))
                asked = []
        return History(exchanges=tuple(exchanges))

    @property
    def sampling(self) -> Sampling:
        """How the model should choose its words."""
        most = self.max_completion_tokens or self.max_tokens
        return Sampling(self.temperature, self.top_p, most)

    @property
    def instructions(self) -> str:
        """What the calling application tells the persona."""
        roles = ("system", "developer")
        return "\n\n".join(message.text for message in self.messages if message.role in roles)


def parse_body(raw: bytes) -> CompletionBody:
    """Read a request body; raises ApiError 400 that names the field and what it should hold."""
    try:
        body = CompletionBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        param = _param(first["loc"])
        raise ApiError(400, f"{param or 'body'}: {first['msg']}", param=param) from None
    if body.messages[-1].role != "user" or not body.messages[-1].text.strip():
        text = "messages: the last one should be the user's and hold text"
        raise ApiError(400, text, param="messages")
    return body


def _param(place: Sequence[str | int]) -> str | None:
    """Write a place as OpenAI does: messages[0].role."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return path.removeprefix(".") or None


def _exchange(question: str, answer: str) -> Exchange:
    tokens = estimate_tokens(question) + estimate_tokens(answer)
    return Exchange(question, answer, time.time(), "", "", tokens)
