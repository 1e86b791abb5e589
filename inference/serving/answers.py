"""An answer's events as what its caller gets: one body, or a stream's events. Pure."""

from collections.abc import Sequence
from typing import Any

from inference.jobs.engine import JobRefusedError
from inference.jobs.job import Ended, Event, Piece, Sampled
from inference.serving.chunks import END, ChatChunks, CompletionChunks, call_id, head_of, usage_of
from inference.serving.errors import JobFailedError
from inference.serving.logprobs import chat_logprobs, completion_logprobs
from inference.text.tool_calls import CallArguments, CallBegun, CallReader, Text


class Reader:
    """Reads a job's events; `end` is set once all were read."""

    def __init__(self) -> None:
        self._sampled: list[Sampled] = []
        self.end: Ended | None = None

    def read(self, events: Sequence[Event]) -> str:
        """Return the text; raises JobRefusedError or JobFailedError if there is no good end."""
        text = ""
        for event in events:
            if isinstance(event, Piece):
                text += event.text
                self._sampled += event.sampled
            elif isinstance(event, Ended):
                self._close(event)
        return text

    def cut_sampled(self) -> list[Sampled]:
        """Take out the log probabilities that came since the last cut."""
        sampled, self._sampled = self._sampled, []
        return sampled

    def _close(self, end: Ended) -> None:
        if end.reason == "refused":
            raise JobRefusedError(end.fault)
        if end.reason not in {"stop", "length"}:
            raise JobFailedError(end.reason)
        self.end = end


class AnswerStream:
    """Writes an answer as server-sent events."""

    def __init__(
        self, chunks: ChatChunks | CompletionChunks, *, has_tools: bool, with_usage: bool
    ) -> None:
        self._chunks = chunks
        self._reader = Reader()
        self._calls = CallReader() if has_tools else None
        self._with_usage = with_usage
        self._has_called = False
        self._is_open = False

    def write(self, events: Sequence[Event]) -> bytes:
        """Write what these events say; b"" if nothing yet. Raises what `Reader.read` raises."""
        text = self._reader.read(events)
        sampled = self._reader.cut_sampled()
        if self._calls is not None:
            parts = self._with_calls(self._calls, text, sampled)
        elif sampled:
            parts = [self._chunks.likely_text(text, sampled)]
        else:
            parts = [self._chunks.text(text)] if text else []
        if self._reader.end is not None:
            parts += self._closing(self._reader.end)
        if parts and not self._is_open:
            self._is_open = True
            parts.insert(0, self._chunks.opening())
        return b"".join(parts)

    def _with_calls(self, calls: CallReader, text: str, sampled: list[Sampled]) -> list[bytes]:
        said = calls.feed(text)
        if self._reader.end is not None:
            said += calls.close()
        plain = "".join([each.text for each in said if isinstance(each, Text)])
        parts = []
        if sampled:
            parts.append(self._chunks.likely_text(plain, sampled))
        elif plain:
            parts.append(self._chunks.text(plain))
        called = [each for each in said if not isinstance(each, Text)]
        self._has_called |= bool(called)
        return parts + [self._chunks.call(each) for each in called]

    def _closing(self, end: Ended) -> list[bytes]:
        usage = [self._chunks.usage(end)] if self._with_usage else []
        return [self._chunks.ending(_finish_reason(end, self._has_called)), *usage, END]


class WholeAnswer:
    """Collects an answer into one body."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._text = ""

    def read(self, events: Sequence[Event]) -> None:
        """Add events; raises what `Reader.read` raises."""
        self._text += self._reader.read(events)

    def chat_body(
        self, identity: str, model: str, *, has_tools: bool, with_logprobs: bool
    ) -> dict[str, Any]:
        """The body of `/v1/chat/completions`."""
        text, calls = _tell_apart(self._text) if has_tools else (self._text, [])
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message |= {"content": text or None, "tool_calls": calls}
        logprobs = chat_logprobs(self._reader.cut_sampled()) if with_logprobs else None
        choice = {"message": message, "logprobs": logprobs}
        return self._body(head_of("chat.completion", identity, model), choice, bool(calls))

    def completion_body(self, identity: str, model: str, *, with_logprobs: bool) -> dict[str, Any]:
        """The body of `/v1/completions`."""
        logprobs = completion_logprobs(self._reader.cut_sampled(), 0) if with_logprobs else None
        choice = {"text": self._text, "logprobs": logprobs}
        return self._body(head_of("text_completion", identity, model), choice, has_called=False)

    def _body(
        self, head: dict[str, Any], choice: dict[str, Any], has_called: bool
    ) -> dict[str, Any]:
        end = self._reader.end
        if end is None:
            raise RuntimeError("an answer has no body before its end")
        choice = {"index": 0, **choice, "finish_reason": _finish_reason(end, has_called)}
        return {**head, "choices": [choice], "usage": usage_of(end)}


def _tell_apart(answer: str) -> tuple[str, list[dict[str, Any]]]:
    """Tell an answer's text and its calls apart."""
    reader = CallReader()
    text = ""
    calls: list[dict[str, Any]] = []
    for said in (*reader.feed(answer), *reader.close()):
        match said:
            case Text(more):
                text += more
            case CallBegun(_, name):
                function = {"name": name, "arguments": ""}
                calls.append({"id": call_id(), "type": "function", "function": function})
            case CallArguments(index, more):
                calls[index]["function"]["arguments"] += more
    return text, calls


def _finish_reason(end: Ended, has_called: bool) -> str:
    """OpenAI's word for how an answer ended."""
    if end.reason == "length":
        return "length"
    return "tool_calls" if has_called else "stop"
