"""What an answer is held to: `response_format`, `tool_choice` and strict tools, as a grammar."""

from inference.jobs.job import Grammar
from inference.serving.errors import ApiError
from inference.serving.parts import (
    FunctionTool,
    NamedChoice,
    ObjectFormat,
    SchemaFormat,
    TextFormat,
)
from inference.serving.protocol import (
    ChatBody,
    GenerationBody,
)
from inference.text.grammar import Grammars, SchemaRefusedError
from inference.text.tools import Tool


def as_tool(tool: FunctionTool) -> Tool:
    """A tool in the words of the chat format."""
    function = tool.function
    return Tool(function.name, function.description, function.parameters)


def chat_grammar(grammars: Grammars, body: ChatBody) -> Grammar | None:
    """What a chat's answer is held to; None if it is free. Raises ApiError 400."""
    if not body.callable_tools:
        return format_grammar(grammars, body)
    if not isinstance(body.response_format, TextFormat):
        text = "response_format: cannot be had together with tools; tool_choice none forgoes them"
        raise ApiError(400, text, param="response_format")
    is_named = isinstance(body.tool_choice, NamedChoice)
    is_required = is_named or body.tool_choice == "required"
    is_parallel = body.parallel_tool_calls and not is_named
    tools = [as_tool(tool) for tool in body.callable_tools]
    try:
        return grammars.tool_calls(tools, required=is_required, parallel=is_parallel)
    except SchemaRefusedError as error:
        if is_required or not is_parallel or any(tool.function.strict for tool in body.tools):
            text = f"tools: no answer can be held to these: {error}"
            raise ApiError(400, text, param="tools") from None
        return None


def format_grammar(grammars: Grammars, body: GenerationBody) -> Grammar | None:
    """What `response_format` holds an answer to; raises ApiError 400."""
    match body.response_format:
        case SchemaFormat(json_schema=asked):
            try:
                return grammars.json_schema(asked.schema_)
            except SchemaRefusedError as error:
                text = f"response_format: no answer can be held to this schema: {error}"
                raise ApiError(400, text, param="response_format") from None
        case ObjectFormat():
            return grammars.json_object()
    return None
