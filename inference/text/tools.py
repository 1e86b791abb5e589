"""Tools in the form that Qwen2.5 was trained on (Hermes), as a prompt has it.

A call is `<tool_call>`, a JSON object with `name` and `arguments`, `</tool_call>`. Arguments are
handed on in the letters in which the model wrote them, so that a call that comes back in the next
request is the same tokens again, and its pages of the cache stay valid.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inference.text.tokenizer import Mark, Segment

_INTRODUCTION = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_INSTRUCTION: tuple[Segment, ...] = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments"
    " within ",
    Mark.CALL,
    Mark.CALL_END,
    " XML tags:\n",
    Mark.CALL,
    '\n{"name": <function-name>, "arguments": <args-json-object>}\n',
    Mark.CALL_END,
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A finished call; `arguments` is JSON as the model wrote it."""

    name: str
    arguments: str


def describe_tools(tools: Sequence[Tool]) -> Iterator[Segment]:
    """Yield what stands at the end of the system message when there are tools."""
    yield _INTRODUCTION
    for tool in tools:
        yield "\n" + json.dumps(
            {"type": "function", "function": _signature(tool)}, ensure_ascii=False
        )
    yield from _INSTRUCTION


def write_call(call: ToolCall) -> Iterator[Segment]:
    """Yield a call of an earlier answer as the model said it."""
    yield Mark.CALL
    name = json.dumps(call.name, ensure_ascii=False)
    yield f'\n{{"name": {name}, "arguments": {call.arguments.strip() or "{}"}}}\n'
    yield Mark.CALL_END


def _signature(tool: Tool) -> dict[str, object]:
    """Keep the caller's order within the parameters: it is the order of the arguments."""
    signature: dict[str, object] = {"name": tool.name}
    if tool.description is not None:
        signature["description"] = tool.description
    if tool.parameters is not None:
        signature["parameters"] = tool.parameters
    return signature
