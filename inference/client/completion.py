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
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(rb'(data: [^\n]*"content": ?)"(?:[^"\\\n]|\\.)*"([^\n]*\n\n)\Z')
"""The last of some events, if it has a content."""


class BadAnswerError(Exception):
    """What came is no answer; `status` is the HTTP status that an error in the stream names."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Framing(Protocol):
    """How the JSON texts of an answer lie in its bytes."""

    def feed(self, data: bytes) -> list[str]:
        """Return the JSON texts that these bytes complete."""

    def close(self) -> list[str]:
        """Return what the end of the bytes completes."""


class WholeBody:
    """The framing of a server that answers with one JSON object instead of a stream."""

    __slots__ = ("_body",)

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Keep these bytes."""
        self._body += data
        return []

    def close(self) -> list[str]:
        """Return the whole body."""
        return [self._body.decode(errors="replace")]


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
        "_events",
        "_framing",
        "_half",
        "_reason",
        "_size",
        "_usage",
        "complete",
    )

    def __init__(self, *, streamed: bool) -> None:
        self._events = EventParser() if streamed else None
        self._framing: Framing = self._events or WholeBody()
        self._before: bytes | None = None
        self._after = b""
        self._size = 0
        self._half = ""
        self._reason: str | None = None
        self._usage: tuple[int | None, int | None] = (None, None)
        self.complete = False
        """The answer is whole; at most its usage is still to come."""

    def feed(self, data: bytes) -> str:
        """Return the text in these bytes, "" if none, or raise BadAnswerError."""
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            raise BadAnswerError("answer too long")
        if (plain := self._read_plain(data)) is not None:
            return plain
        try:
            text = self._join(self._framing.feed(data))
        except EventTooLongError as error:
            raise BadAnswerError("event too long") from error
        if text and self._before is None and data.count(b"\n\n") == 1:
            self._before, self._after = _around_text(data)
        return text

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

    def _read_plain(self, data: bytes) -> str | None:
        """Read an event that differs from an earlier one in nothing but its text, as most do.

        None for any other: between the same bytes one JSON string can only be the same text field.
        """
        if not self._before or self._half or not (self._events and self._events.is_idle):
            return None
        before, after = self._before, self._after
        if not (data.startswith(before) and data.endswith(after)):
            return None
        try:
            text = from_json(data[len(before) : -len(after)])
        except ValueError:
            return None
        return text if isinstance(text, str) else None

    def _join(self, events: list[str]) -> str:
        if not events:
            return ""
        text = "".join([self.read_event(event) for event in events])
        if self._half or _LONE_SURROGATE.search(text):
            return self._pair(self._half + text)
        return text

    def _pair(self, text: str) -> str:
        """Mend characters whose two UTF-16 halves came as two JSON escapes in two chunks."""
        self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text[: len(text) - len(self._half)]
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def read_event(self, event: str) -> str:
        """Return the text of one event, or raise BadAnswerError."""
        if event == "[DONE]":
            self.complete = True
            return ""
        if not event:
            return ""
        try:
            return self._read_object(_parse(event))
        except (ValueError, RecursionError) as error:
            raise BadAnswerError("bad JSON") from error
        except (AttributeError, LookupError, TypeError) as error:
            raise BadAnswerError("unknown shape") from error

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


def _around_text(data: bytes) -> tuple[bytes, bytes]:
    """Find what stands before and after the text of the last event; nothing if that is not sure."""
    if event := _PLAIN.search(data):
        before, after = event[1], event[2]
        probe = AnswerReader(streamed=True)
        with suppress(BadAnswerError):
            text = probe.read_event((before[6:] + b'"?"' + after).decode(errors="replace"))
            if text == "?" and not probe.complete and probe.finish() == Finish("stop"):
                return before, after
    return b"", b""


def _parse(event: str) -> dict[str, Any]:
    """Parse an event; that it is no object shows when it is read. Raises ValueError."""
    parsed: dict[str, Any]
    try:
        parsed = from_json(event)  # takes a quarter of the time
    except ValueError:
        parsed = json.loads(event)  # takes half a character, too
    return parsed


def _count(usage: dict[str, Any], name: str) -> int | None:
    count = usage.get(name)
    return count if isinstance(count, int) else None


def _status(answer: dict[str, Any]) -> int | None:
    """Find the HTTP status that vLLM and llama.cpp put into an error object as `code`."""
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else answer.get("code")
    return code if isinstance(code, int) and 400 <= code <= 599 else None
