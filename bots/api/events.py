"""The OpenAI chat-completions language: a body in, a request of ours; replies out. Pure."""

import json
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from bots.api.errors import ApiError
from core.memory import Exchange, History
from core.replies import Outcome, Reply
from inference.tokens import estimate_tokens

MESSAGES = 200


class TextPart(BaseModel):
    """A part of a message's content; other kinds than text are refused."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str):
            return self.content
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


def parse_body(raw: bytes) -> CompletionBody:
    """Read a request body; raises ApiError 400 that names the field and what it should hold."""
    try:
        body = CompletionBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        raise ApiError(400, f"{param or 'body'}: {first['msg']}", param=param) from None
    if body.messages[-1].role != "user" or not body.messages[-1].text.strip():
        raise ApiError(
            400, "messages: the last message must be the user's and hold text", param="messages"
        )
    return body


def history_of(messages: Sequence[ChatMessage]) -> History:
    """The conversation as its caller tells it, without the last question."""
    exchanges: list[Exchange] = []
    asked: list[str] = []
    for message in messages[:-1]:
        if message.role == "user":
            asked.append(message.text)
        elif message.role == "assistant":
            question = "\n".join(asked)
            tokens = estimate_tokens(question) + estimate_tokens(message.text)
            exchanges.append(Exchange(question, message.text, time.time(), "", "", tokens))
            asked = []
    return History(exchanges=tuple(exchanges))


def instructions_of(messages: Sequence[ChatMessage]) -> str:
    """What the calling application tells the persona in system messages."""
    return "\n\n".join(
        message.text for message in messages if message.role in ("system", "developer")
    )


class Completion:
    """The shapes of one answer."""

    def __init__(self, identity: str, model: str) -> None:
        self._head = {"id": f"chatcmpl-{identity}", "created": int(time.time()), "model": model}

    def whole(self, reply: Reply) -> dict[str, Any]:
        """An answer in one piece."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text, "refusal": None},
            "finish_reason": finish_reason(reply),
            "logprobs": None,
        }
        return self._head | {
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage_of(reply),
            "xiaoq": facts_of(reply),
        }

    def chunk(self, delta: dict[str, str], finish: str | None = None, **more: Any) -> bytes:  # noqa: ANN401 - JSON
        """A piece of a streamed answer, as a server-sent event."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        body = self._head | {"object": "chat.completion.chunk", "choices": [choice]} | more
        return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"

    def usage_chunk(self, reply: Reply) -> bytes:
        """The last chunk where the caller asked for usage: no choices."""
        body = self._head | {
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": usage_of(reply),
        }
        return b"data: " + json.dumps(body).encode() + b"\n\n"


def finish_reason(reply: Reply) -> str:
    """OpenAI's word for how an answer ended."""
    return "content_filter" if reply.outcome is Outcome.REFUSED else "stop"


def usage_of(reply: Reply) -> dict[str, int]:
    """Tokens, zero where no model was asked."""
    prompt, completion = reply.usage.prompt_tokens, reply.usage.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def facts_of(reply: Reply) -> dict[str, Any]:
    """What OpenAI's shape has no place for."""
    return {
        "outcome": reply.outcome.value,
        "origin": reply.origin.value,
        "persona_version": reply.persona_version,
        "sources": [{"title": source.title, "path": source.path} for source in reply.sources],
    }
