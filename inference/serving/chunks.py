"""The pieces of a streamed answer as server-sent events, in OpenAI's shapes. Pure.

A plain piece of text is most of what a server sends, so its event is put together from bytes that
are the same for a whole answer.
"""

import json
import secrets
import time
from json.encoder import encode_basestring
from typing import Any

from inference.jobs.job import Ended, Sampled
from inference.serving.logprobs import chat_logprobs, completion_logprobs
from inference.text.tool_calls import CallArguments, CallBegun

END = b"data: [DONE]\n\n"


def head_of(kind: str, identity: str, model: str) -> dict[str, Any]:
    """What every body and event of an answer begins with."""
    return {"id": identity, "object": kind, "created": int(time.time()), "model": model}


def usage_of(end: Ended) -> dict[str, Any]:
    """Token counts."""
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
    }


def call_id() -> str:
    """A fresh id for a call of a tool."""
    return f"call_{secrets.token_hex(12)}"


class ChatChunks:
    """Events of `/v1/chat/completions`."""

    def __init__(self, identity: str, model: str) -> None:
        self._head = head_of("chat.completion.chunk", identity, model)
        self._before, self._after = _around(self.delta({"content": ""}))

    def opening(self) -> bytes:
        """The event that says who speaks."""
        return self.delta({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """A piece of text."""
        return self._before + encode_basestring(text).encode() + self._after

    def likely_text(self, text: str, sampled: list[Sampled]) -> bytes:
        """A piece of text with its log probabilities."""
        return self.delta({"content": text}, logprobs=chat_logprobs(sampled))

    def call(self, said: CallBegun | CallArguments) -> bytes:
        """The beginning of a call, or more of its arguments."""
        call: dict[str, Any] = {"index": said.index}
        if isinstance(said, CallBegun):
            function = {"name": said.name, "arguments": ""}
            call |= {"id": call_id(), "type": "function", "function": function}
        else:
            call["function"] = {"arguments": said.text}
        return self.delta({"tool_calls": [call]})

    def ending(self, reason: str) -> bytes:
        """The event that says why the answer ended."""
        return self.delta({}, reason)

    def usage(self, end: Ended) -> bytes:
        """The event with the token counts: no choices."""
        return event(self._head | {"choices": [], "usage": usage_of(end)})

    def delta(
        self,
        delta: dict[str, Any],
        reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> bytes:
        """Any other event."""
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return event(self._head | {"choices": [choice]})


class CompletionChunks:
    """Events of `/v1/completions`."""

    def __init__(self, identity: str, model: str) -> None:
        self._head = head_of("text_completion", identity, model)
        self._before, self._after = _around(self._choice(""))
        self._offset = 0

    def opening(self) -> bytes:
        """Nothing: a plain completion begins with its text."""
        return b""

    def call(self, _: CallBegun | CallArguments) -> bytes:
        """Nothing: a plain completion has no calls."""
        return b""

    def text(self, text: str) -> bytes:
        """A piece of text."""
        return self._before + encode_basestring(text).encode() + self._after

    def likely_text(self, text: str, sampled: list[Sampled]) -> bytes:
        """A piece of text with its log probabilities."""
        logprobs = completion_logprobs(sampled, self._offset)
        self._offset += sum(map(len, logprobs["tokens"]))
        return self._choice(text, logprobs=logprobs)

    def ending(self, reason: str) -> bytes:
        """The event that says why the answer ended."""
        return self._choice("", reason)

    def usage(self, end: Ended) -> bytes:
        """The event with the token counts: no choices."""
        return event(self._head | {"choices": [], "usage": usage_of(end)})

    def _choice(
        self, text: str, reason: str | None = None, logprobs: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": reason}
        return event(self._head | {"choices": [choice]})


def event(body: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return (
        b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )


def _around(example: bytes) -> tuple[bytes, bytes]:
    """Cut an event with an empty text where a text belongs."""
    before, _, after = example.rpartition(b'""')
    return before, after
