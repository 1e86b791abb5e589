"""Reads calls of tools out of an answer while it is generated.

A call is announced as soon as its name is known, and its arguments follow as they come. What looks
like a call and is none (broken JSON) is handed on as the text that it is. A call that the end of
the answer cuts before its name is known is neither text nor call and is dropped: the reason of the
end tells. Arguments cut in the middle stay cut, as OpenAI's own are.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from inference.text.tokenizer import Mark
from inference.text.tools import ToolCall

_OPEN, _CLOSE = Mark.CALL.value, Mark.CALL_END.value
_NAME = r'"name"\s*:\s*("(?:[^"\\]|\\.)*")'
_TAG = re.compile(f"{_OPEN}|{_CLOSE}")
_HEAD = re.compile(r"\s*\{\s*" + _NAME + r'\s*,\s*"arguments"\s*:\s*(?=\{)')


@dataclass(frozen=True, slots=True)
class Text:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegun:
    """A call of the tool of this name; calls are numbered from 0."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of a call's arguments, a JSON text."""

    index: int
    text: str


Said = Text | CallBegun | CallArguments


class _State(Enum):
    TEXT = auto()
    HEAD = auto()
    ARGUMENTS = auto()
    TAIL = auto()


class CallReader:
    """Reads one answer: text in, text and calls out, the same however the text is cut."""

    def __init__(self) -> None:
        self._rest = ""
        self._state = _State.TEXT
        self._object = _ObjectEnd()
        self._after_call = False
        self.calls = 0
        """How many calls were found."""

    def feed(self, text: str) -> list[Said]:
        """Return what this text completes; a tag's beginning is held back."""
        self._rest += text
        return [said for said in self._read() if not isinstance(said, Text) or said.text]

    def close(self) -> list[Said]:
        """Return what the end of the answer completes."""
        if self._state is _State.TEXT:
            blank = self._after_call and not self._rest.strip()
            return [Text(self._rest)] if self._rest and not blank else []
        if self._state is _State.HEAD and (call := _parse(self._rest)):
            return self._whole(call)
        return []

    def _read(self) -> Iterator[Said]:
        """Go from state to state until more text is needed."""
        steps = {
            _State.TEXT: self._read_text,
            _State.HEAD: self._read_head,
            _State.ARGUMENTS: self._read_arguments,
            _State.TAIL: self._read_tail,
        }
        state = None
        while state is not self._state:
            state = self._state
            yield from steps[state]()

    def _read_text(self) -> Iterator[Said]:
        text, tag, after = self._rest.partition(_OPEN)
        if tag:
            # The format writes a line end before a call; it belongs to the call.
            text = text.removesuffix("\n")
            self._rest, self._state = after, _State.HEAD
        else:
            free = len(text) - _held(text)
            text, self._rest = text[:free], text[free:]
        if self._after_call and not text.strip():
            # Between two calls there is nothing to read.
            self._rest = self._rest if tag else text + self._rest
            return
        self._after_call = False
        yield Text(text)

    def _read_head(self) -> Iterator[Said]:
        if head := _HEAD.match(self._rest):
            yield CallBegun(self.calls, _unquote(head[1]))
            self._rest, self._state = self._rest[head.end() :], _State.ARGUMENTS
            self._object = _ObjectEnd()
            return
        body, tag, after = self._rest.partition(_CLOSE)
        if tag:
            self._rest, self._state = after, _State.TEXT
            call = _parse(body)
            yield from self._whole(call) if call else [Text(_OPEN + body + tag)]

    def _read_arguments(self) -> Iterator[Said]:
        end = self._object.find(self._rest)
        text, self._rest = self._rest[:end], self._rest[end:]
        if text:
            yield CallArguments(self.calls, text)
        if self._object.is_closed:
            self._end_call()
            self._state = _State.TAIL

    def _read_tail(self) -> Iterator[Said]:
        if tag := _TAG.search(self._rest):
            self._rest = self._rest[tag.end() :]
            self._state = _State.HEAD if tag[0] == _OPEN else _State.TEXT
        yield from ()

    def _whole(self, call: ToolCall) -> list[Said]:
        index = self.calls
        self._end_call()
        return [CallBegun(index, call.name), CallArguments(index, call.arguments)]

    def _end_call(self) -> None:
        self.calls += 1
        self._after_call = True


class _ObjectEnd:
    """Finds where a JSON object that comes in pieces ends."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self.is_closed = False

    def find(self, text: str) -> int:
        """Return how much of this text belongs to the object."""
        for at, letter in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif letter == '"':
                self._in_string = not self._in_string
            elif self._in_string:
                self._escaped = letter == "\\"
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self.is_closed = True
                    return at + 1
        return len(text)


def _held(text: str) -> int:
    """Count the letters at the end that a tag, or the line end before it, may begin with."""
    tag = "\n" + _OPEN
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if tag.startswith(text[-length:]) or _OPEN.startswith(text[-length:]):
            return length
    return 0


def _unquote(name: str) -> str:
    try:
        return str(json.loads(name))
    except ValueError:
        return name[1:-1]


def _parse(body: str) -> ToolCall | None:
    """Read a call that is not written in the usual order."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or not isinstance(name := call.get("name"), str):
        return None
    arguments = call.get("arguments", {})
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(name, arguments)
