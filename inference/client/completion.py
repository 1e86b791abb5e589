"""The OpenAI chat-completions format: a prompt as a request body, an answer's bytes as text.

Pure, and tolerant of what servers that speak the format really do (seen with vLLM, llama.cpp,
Ollama, SGLang and `transformers serve` 5.17): no `[DONE]`, a usage chunk without choices, usage
nobody asked for, a first chunk with only the role, one JSON object where a stream was asked for,
another model name, unknown fields, an `error` object in the middle. Reasoning (`reasoning_content`)
is not shown.
"""

import json
import re
from contextlib import suppress
from typing import Any, Protocol

from pydantic_core import PydanticSerializationError, from_json, to_json

from inference.client.chat import Finish, Prompt
from inference.client.sse import EventParser, EventTooLongError

MAX_ANSWER_BYTES = 16 * 1_048_576
_CONTENT = re.compile(rb'(.*"content": ?)"(?:[^"\\]++|\\.)*+"(.+)', re.DOTALL)
"""An event that has a content: what stands before and after it."""
_USUAL_BYTES = 4096
"""Longer events are read as what they are."""
_TRIES = 3
"""How often an answer's events are looked at for what they have in common: the first of them may
have a role besides, and the last an end."""


class BadAnswerError(Exception):
    """What came is no answer; `status` is the HTTP status that an error in the stream names."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Framing(Protocol):
    """How the JSON texts of an answer lie in its bytes."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the JSON texts that these bytes complete."""

    def close(self) -> list[bytes]:
        """Return what the end of the bytes completes."""


class WholeBody:
    """The framing of a server that answers with one JSON object instead of a stream."""

    __slots__ = ("_body",)

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Keep these bytes."""
        self._body += data
        return []

    def close(self) -> list[bytes]:
        """Return the whole body."""
        return [bytes(self._body)]


def request_body(model: str, prompt: Prompt, *, optional_fields: bool) -> bytes:
    """Build the body of a streamed request; optional fields are those some servers refuse."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": turn.role, "content": turn.text} for turn in prompt.turns],
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "stream": True,
    }
    if optional_fields:
        body["stream_options"] = {"include_usage": True}
    try:
        return to_json(body)
    except PydanticSerializationError:
        # A lone surrogate in a text cannot be sent; it becomes a question mark.
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


class AnswerReader:
    """Reads one answer: bytes in, text out, `Finish` at the end."""

    __slots__ = (
        "_after",
        "_before",
        "_framing",
        "_half",
        "_may_be_half",
        "_reason",
        "_size",
        "_tries",
        "_usage",
        "complete",
    )

    def __init__(self, *, streamed: bool) -> None:
        self._framing: Framing = EventParser() if streamed else WholeBody()
        self._before = self._after = b""
        self._tries = _TRIES
        self._size = 0
        self._half = ""
        self._may_be_half = False
        self._reason: str | None = None
        self._usage: tuple[int | None, int | None] = (None, None)
        self.complete = False
        """The answer is whole; at most its usage is still to come."""

    def feed(self, data: bytes) -> str:
        """Return the text in these bytes, "" if none, or raise BadAnswerError."""
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            raise BadAnswerError("answer too long")
        try:
            return self._join(self._framing.feed(data))
        except EventTooLongError as error:
            raise BadAnswerError("event too long") from error

    def close(self) -> str:
        """Return the text that the end of the bytes completes; raise BadAnswerError if cut."""
        text = self._join(self._framing.close())
        if not self.complete:
            raise BadAnswerError("cut")
        return text

    def finish(self) -> Finish:
        """Return the end of the answer."""
        prompt_tokens, completion_tokens = self._usage
        cut = self._reason in {"length", "max_tokens"}
        return Finish("length" if cut else "stop", prompt_tokens, completion_tokens)

    def _join(self, events: list[bytes]) -> str:
        if not events:
            return ""
        text = "".join([self._read(event) for event in events])
        return self._pair(self._half + text) if self._may_be_half else text

    def _pair(self, text: str) -> str:
        """Mend characters whose two UTF-16 halves came as two JSON escapes in two chunks."""
        self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text[: len(text) - len(self._half)]
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _read(self, event: bytes) -> str:
        """Read an event; most differ from an earlier one in nothing but their text.

        Between the same bytes one JSON string can only be the same text field.
        """
        if self._before and event.startswith(self._before) and event.endswith(self._after):
            try:
                plain = from_json(event[len(self._before) : -len(self._after)])
            except ValueError:
                plain = None
            if isinstance(plain, str):
                return plain
        text = self.read_event(event)
        if text and self._tries and len(event) <= _USUAL_BYTES:
            self._tries -= 1
            self._before, self._after = _around_text(event)
        return text

    def read_event(self, event: bytes) -> str:
        """Return the text of one event, or raise BadAnswerError."""
        if event == b"[DONE]":
            self.complete = True
            return ""
        if not event:
            return ""
        try:
            return self._read_object(self._parse(event))
        except (ValueError, RecursionError) as error:
            raise BadAnswerError("bad JSON") from error
        except (AttributeError, LookupError, TypeError) as error:
            raise BadAnswerError("unknown shape") from error

    def _parse(self, event: bytes) -> dict[str, Any]:
        """Parse an event; that it is no object shows when it is read. Raises ValueError."""
        parsed: dict[str, Any]
        try:
            parsed = from_json(event)  # takes a quarter of the time
        except ValueError:
            parsed = json.loads(event.decode(errors="replace"))  # takes half a character, too
            self._may_be_half = True
        return parsed

    def _read_object(self, answer: dict[str, Any]) -> str:
        if answer.get("error") or answer.get("object") == "error":
            raise BadAnswerError("error object", _status(answer))
        if usage := answer.get("usage"):
            self._usage = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        if not (choices := answer.get("choices")):
            return ""
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._end(reason)
        content = (choice.get("delta") or choice.get("message") or {}).get("content")
        return content if isinstance(content, str) else ""

    def _end(self, reason: str) -> None:
        if reason in {"abort", "error"}:
            raise BadAnswerError("aborted")
        self._reason = reason
        self.complete = True


def _around_text(event: bytes) -> tuple[bytes, bytes]:
    """Find what stands before and after the text of an event; nothing if that is not sure."""
    if found := _CONTENT.fullmatch(event):
        before, after = found.groups()
        probe = AnswerReader(streamed=True)
        with suppress(BadAnswerError):
            text = probe.read_event(before + b'"?"' + after)
            if text == "?" and not probe.complete and probe.finish() == Finish("stop"):
                return before, after
    return b"", b""


def _count(usage: dict[str, Any], name: str) -> int | None:
    count = usage.get(name)
    return count if isinstance(count, int) else None


def _status(answer: dict[str, Any]) -> int | None:
    """Find the HTTP status that vLLM and llama.cpp put into an error object as `code`."""
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else answer.get("code")
    return code if isinstance(code, int) and 400 <= code <= 599 else None
