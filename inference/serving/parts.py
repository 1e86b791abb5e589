"""What the bodies of requests are made of: messages, tools, formats. Pure."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]


class Body(BaseModel):
    """A part of a request; null is as good as absent."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _take_null_as_absent(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


class TextPart(Body):
    """A part of a message's content; other kinds than text are refused."""

    type: Literal["text"]
    text: str


class FunctionCall(Body):
    """What a model wants called; `arguments` is JSON."""

    name: Name
    arguments: str = "{}"


class CalledTool(Body):
    """A call in an earlier answer."""

    id: str = ""
    type: Literal["function"] = "function"
    function: FunctionCall


def _as_text(content: object) -> object:
    """Take a list of text parts as one text."""
    if isinstance(content, list):
        return "".join([TextPart.model_validate(part).text for part in content])
    return content


class ChatMessage(Body):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str, BeforeValidator(_as_text)] = ""
    tool_calls: tuple[CalledTool, ...] = ()

    @model_validator(mode="after")
    def _say_something(self) -> "ChatMessage":
        if "content" not in self.model_fields_set and not self.tool_calls:
            raise PydanticCustomError("content", "content: Field required")
        return self


class StreamOptions(Body):
    """What a stream carries besides text."""

    include_usage: bool = False


class Function(Body):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool = False


class FunctionTool(Body):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: Function


class FunctionName(Body):
    """Names a function."""

    name: Name


class NamedChoice(Body):
    """A tool that must be called."""

    type: Literal["function"]
    function: FunctionName


class JsonSchema(Body):
    """A schema that an answer must keep to."""

    name: str = ""
    schema_: dict[str, Any] = Field(alias="schema")


class TextFormat(Body):
    """Any text."""

    type: Literal["text"]


class ObjectFormat(Body):
    """Any JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Body):
    """JSON that keeps to a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]
