"""What callers send: bodies of OpenAI's requests, checked, with the fields that vLLM adds. Pure.

Fields that only OpenAI's own service knows (`store`, `metadata`, ...) are passed over, as its
clients expect; one that would change the answer and is not offered here is refused by name.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import override

from inference.jobs.job import Sampling
from inference.serving.errors import ApiError
from inference.serving.parts import (
    Body,
    ChatMessage,
    FunctionTool,
    NamedChoice,
    ResponseFormat,
    StreamOptions,
    TextFormat,
)

MESSAGES = 2000
STOPS = 16
TOOLS = 128
BIASES = 1024

Stop = Annotated[str, StringConstraints(min_length=1, max_length=256)]


def _refuse(data: object, offered: dict[str, tuple[object, ...]]) -> None:
    """Refuse what would change an answer and is not offered here."""
    for name, values in offered.items():
        if isinstance(data, dict) and data.get(name) not in (None, *values):
            raise PydanticCustomError("offered", "{name}: not offered here", {"name": name})


class GenerationBody(Body):
    """What chats and plain completions have in common."""

    prefix: ClassVar[str]
    """What the ids of their answers begin with."""
    model: str = ""
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] = Field({}, max_length=BIASES)
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: tuple[Stop, ...] = Field((), max_length=STOPS)
    n: int = 1
    user: Annotated[str, StringConstraints(max_length=256)] = ""
    response_format: ResponseFormat = TextFormat(type="text")

    @field_validator("stop", mode="before")
    @classmethod
    def _take_one_stop_as_several(cls, stop: object) -> object:
        return (stop,) if isinstance(stop, str) else stop

    @field_validator("n")
    @classmethod
    def _give_one_answer(cls, n: int) -> int:
        if n != 1:
            raise PydanticCustomError("n", "one answer a request is offered; send several requests")
        return n

    @property
    def longest_answer(self) -> int | None:
        """How many tokens the caller wants at most, if that is said."""
        return self.max_tokens

    @property
    def rivals(self) -> int | None:
        """Log probabilities of so many rivals of each token; None: none at all."""
        return None

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn: as the caller says, else as Qwen2.5 recommends."""
        said = {
            name: value
            for name in (
                "temperature",
                "top_p",
                "top_k",
                "min_p",
                "repetition_penalty",
                "presence_penalty",
                "frequency_penalty",
                "logit_bias",
                "seed",
            )
            if (value := getattr(self, name)) is not None
        }
        if said.get("top_k") == -1:  # vLLM's word for all
            said["top_k"] = 0
        return Sampling(**said)


class ChatBody(GenerationBody):
    """The body of `/v1/chat/completions`."""

    prefix = "chatcmpl"
    messages: tuple[ChatMessage, ...] = Field(min_length=1, max_length=MESSAGES)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)
    tools: tuple[FunctionTool, ...] = Field((), max_length=TOOLS)
    tool_choice: Literal["none", "auto", "required"] | NamedChoice = "auto"
    parallel_tool_calls: bool = True

    @property
    @override
    def longest_answer(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    @override
    def rivals(self) -> int | None:
        return self.top_logprobs if self.logprobs else None

    @property
    def callable_tools(self) -> tuple[FunctionTool, ...]:
        """The tools that the answer may call."""
        if isinstance(choice := self.tool_choice, NamedChoice):
            return tuple(tool for tool in self.tools if tool.function.name == choice.function.name)
        return () if choice == "none" else self.tools

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_offered(cls, data: object) -> object:
        offered: dict[str, tuple[object, ...]] = {
            "functions": ((), []),
            "function_call": (),
            "audio": (),
            "modalities": (["text"],),
            "web_search_options": (),
        }
        _refuse(data, offered)
        return data

    @model_validator(mode="after")
    def _choose_among_tools(self) -> "ChatBody":
        names = {tool.function.name for tool in self.tools}
        if (
            isinstance(self.tool_choice, NamedChoice)
            and self.tool_choice.function.name not in names
        ):
            raise PydanticCustomError("tool_choice", "tool_choice: names none of the tools")
        if self.tool_choice == "required" and not self.tools:
            raise PydanticCustomError("tool_choice", "tool_choice: required without tools")
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError("top_logprobs", "top_logprobs: needs logprobs")
        return self


class CompletionBody(GenerationBody):
    """The body of `/v1/completions`; a prompt is one text or one list of token ids."""

    prefix = "cmpl"
    prompt: str | tuple[Annotated[int, Field(ge=0)], ...]
    logprobs: int | None = Field(None, ge=0, le=5)

    @property
    @override
    def rivals(self) -> int | None:
        return self.logprobs

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_offered(cls, data: object) -> object:
        _refuse(data, {"best_of": (1,), "echo": (False,), "suffix": ("",)})
        return data

    @field_validator("prompt", mode="before")
    @classmethod
    def _take_one_prompt(cls, prompt: object) -> object:
        match prompt:
            case [str() as text]:
                return text
            case [str(), *_] | [[*_], _, *_]:
                raise PydanticCustomError("prompt", "one prompt a request is offered")
            case [[*tokens]]:
                return tokens
        return prompt


class TokenizeBody(Body):
    """The body of `/tokenize`, as vLLM has it: a text, or a conversation with its template."""

    model: str = ""
    prompt: str | None = None
    messages: tuple[ChatMessage, ...] = Field((), max_length=MESSAGES)
    tools: tuple[FunctionTool, ...] = Field((), max_length=TOOLS)

    @model_validator(mode="after")
    def _have_one_of_them(self) -> "TokenizeBody":
        if (self.prompt is None) == (not self.messages):
            raise PydanticCustomError("prompt", "prompt or messages: one of them is needed")
        return self


B = TypeVar("B", bound=Body)


def parse(kind: type[B], raw: bytes) -> B:
    """Read a body; raises ApiError 400 that names the field and what it should hold."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        param = _param(first["loc"])
        text = f"{param}: {first['msg']}" if param else first["msg"]
        raise ApiError(400, text, param=param or first["msg"].partition(":")[0]) from None


def _param(place: Sequence[str | int]) -> str | None:
    """Write a place as OpenAI does: messages[0].role."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return path.removeprefix(".") or None
