"""Qwen2.5's chat format (ChatML), written by ourselves.

The model's own Jinja template makes one text of a chat, in which a customer's letters and control
tokens look alike. Here a chat becomes segments (see `tokenizer`): for harmless texts the same token
ids as the template's, and for any other no control token that we did not place. A mark stands
between any two messages, so a message is the same tokens whatever follows it: pages of the cache
that hold earlier turns stay valid.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from inference.text.tokenizer import Mark, Segment
from inference.text.tools import Tool, ToolCall, describe_tools, write_call

DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a chat; only an assistant's has calls."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[ToolCall, ...] = ()


def render_chat(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> list[Segment]:
    """Write a chat up to where the assistant's answer begins."""
    system, rest = DEFAULT_SYSTEM, messages
    if messages and messages[0].role == "system":
        system, rest = messages[0].text, messages[1:]
    segments: list[Segment] = [Mark.START, f"system\n{system}"]
    if tools:
        segments += describe_tools(tools)
    segments += [Mark.END, "\n"]
    for is_tool, group in groupby(rest, lambda message: message.role == "tool"):
        write = _results if is_tool else _messages
        segments += write(group)
    return [*segments, Mark.START, "assistant\n"]


def _messages(messages: Iterator[ChatMessage]) -> Iterator[Segment]:
    for message in messages:
        yield Mark.START
        yield message.role
        if message.text or not message.calls:
            yield f"\n{message.text}"
        for call in message.calls:
            yield "\n"
            yield from write_call(call)
        yield from (Mark.END, "\n")


def _results(results: Iterator[ChatMessage]) -> Iterator[Segment]:
    """Results of several calls are one message of the user's."""
    yield from (Mark.START, "user")
    for result in results:
        yield f"\n<tool_response>\n{result.text}\n</tool_response>"
    yield from (Mark.END, "\n")
