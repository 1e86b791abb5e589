"""An answer's events as what its caller gets: one body, or a stream's events. Pure."""

from collections.abc import Sequence
from typing import Any

from inference.serving.chunks import END, ChatChunks, CompletionChunks, call_id, head_of, usage_of
from inference.serving.engine import JobRefusedError
from inference.serving.errors import JobFailedError
from inference.serving.job import Ended, Event, Piece, Sampled
from inference.serving.logprobs import chat_logprobs, completion_logprobs
from inference.tool_calls import CallArguments, CallBegun, CallReader, Said, Text


class Reader:
    """Reads a job's events; `end` is set once all were read."""

    def __init__(self, *, has_tools: bool = False) -> None:
        self._calls = CallReader() if has_tools else None
        self._has_called = False
        self._sampled: list[Sampled] = []
        self.end: Ended | None = None

    def read(self, events: Sequence[Event]) -> list[Said]:
        """Return what is said; raises JobRefusedError or JobFailedError if there is no good end."""
        text = ""
        for event in events:
            if isinstance(event, Piece):
                text += event.text
                self._sampled += event.sampled
            elif isinstance(event, Ended):
                self._close(event)
        if self._calls is None:
            return [Text(text)] if text else []
        said = self._calls.feed(text)
        if self.end:
            said += self._calls.close()
        self._has_called |= any(isinstance(each, CallBegun) for each in said)
        return said

    def cut_sampled(self) -> list[Sampled]:
        """Take out the log probabilities that came since the last cut."""
        sampled, self._sampled = self._sampled, []
        return sampled

    @property
    def finish_reason(self) -> str:
        """OpenAI's word for how the answer ended."""
        if self.end is not None and self.end.reason == "length":
            return "length"
        return "tool_calls" if self._has_called else "stop"

    def _close(self, end: Ended) -> None:
        if end.reason == "refused":
            raise JobRefusedError(end.fault)
        if end.reason not in {"stop", "length"}:
            raise JobFailedError(end.reason)
        self.end = end


class AnswerStream:
    """Writes an answer as server-sent events."""

    def __init__(
        self, chunks: ChatChunks | CompletionChunks, reader: Reader, *, with_usage: bool
    ) -> None:
        self._chunks = chunks
        self._reader = reader
        self._with_usage = with_usage
        self._is_open = False

    def write(self, events: Sequence[Event]) -> bytes:
        """Write what these events say; b"" if nothing yet. Raises what `Reader.read` raises."""
        said = self._reader.read(events)
        if sampled := self._reader.cut_sampled():
            text = "".join([each.text for each in said if isinstance(each, Text)])
            parts = [self._chunks.likely_text(text, sampled)]
            said = [each for each in said if not isinstance(each, Text)]
        else:
            parts = []
        parts += [self._part(each) for each in said]
        if self._reader.end is not None:
            parts += self._closing(self._reader.end)
        if not parts or self._is_open:
            return b"".join(parts)
        self._is_open = True
        return self._chunks.opening() + b"".join(parts)

    def _part(self, said: Said) -> bytes:
        if isinstance(said, Text):
            return self._chunks.text(said.text)
        return self._chunks.call(said)

    def _closing(self, end: Ended) -> list[bytes]:
        usage = [self._chunks.usage(end)] if self._with_usage else []
        return [self._chunks.ending(self._reader.finish_reason), *usage, END]


class WholeAnswer:
    """Collects an answer into one body."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._text = ""
        self._sampled: list[Sampled] = []
        self._calls: list[dict[str, Any]] = []

    def read(self, events: Sequence[Event]) -> None:
        """Add events; raises what `Reader.read` raises."""
        for said in self._reader.read(events):
            match said:
                case Text(text):
                    self._text += text
                case CallBegun(_, name):
                    function = {"name": name, "arguments": ""}
                    self._calls.append({"id": call_id(), "type": "function", "function": function})
                case CallArguments(index, text):
                    self._calls[index]["function"]["arguments"] += text
        self._sampled += self._reader.cut_sampled()

    def chat_body(self, identity: str, model: str, *, with_logprobs: bool) -> dict[str, Any]:
        """The body of `/v1/chat/completions`."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text, "refusal": None}
        if self._calls:
            message |= {"content": self._text or None, "tool_calls": self._calls}
        logprobs = chat_logprobs(self._sampled) if with_logprobs else None
        head = head_of("chat.completion", identity, model)
        return self._body(head, {"message": message, "logprobs": logprobs})

    def completion_body(self, identity: str, model: str, *, with_logprobs: bool) -> dict[str, Any]:
        """The body of `/v1/completions`."""
        logprobs = completion_logprobs(self._sampled, 0) if with_logprobs else None
        head = head_of("text_completion", identity, model)
        return self._body(head, {"text": self._text, "logprobs": logprobs})

    def _body(self, head: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
        end = self._reader.end
        choice = {"index": 0, **choice, "finish_reason": self._reader.finish_reason}
        return {**head, "choices": [choice], "usage": usage_of(end) if end else None}
