"""Makes jobs of requests by chat template and tokenizer; slow, so not for the event loop."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from inference.jobs.engine import EngineFacts
from inference.jobs.job import Grammar, Job
from inference.serving.constraints import as_tool, chat_grammar, format_grammar
from inference.serving.errors import ApiError
from inference.serving.parts import ChatMessage, FunctionTool
from inference.serving.protocol import (
    ChatBody,
    CompletionBody,
    GenerationBody,
    TokenizeBody,
)
from inference.text.grammar import Grammars
from inference.text.template import ChatMessage as Turn
from inference.text.template import render_chat
from inference.text.tokenizer import ChatTokenizer
from inference.text.tools import ToolCall


@dataclass(frozen=True, slots=True)
class Served:
    """What a server offers: a model under a name, its tokenizer, and bounds."""

    name: str
    tokenizer: ChatTokenizer
    grammars: Grammars
    facts: EngineFacts
    answer_tokens: int
    """Longest answer where the caller does not say."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the model, alone and with each adapter."""
        return (self.name, *(f"{self.name}:{adapter}" for adapter in self.facts.adapters))

    def adapter_of(self, model: str) -> str:
        """The adapter that a model's name asks for; raises ApiError 404."""
        if model and model not in self.models:
            text = f"The model '{model}' does not exist."
            raise ApiError(404, text, code="model_not_found", param="model")
        return model.removeprefix(self.name).removeprefix(":")


def prepare_chat(served: Served, body: ChatBody) -> Job:
    """Make a job of a chat; raises ApiError 400 or 404."""
    # Which of the tools must be called is no part of the prompt, so that its pages stay valid.
    tools = () if body.tool_choice == "none" else body.tools
    prompt = _chat_tokens(served.tokenizer, body.messages, tools)
    return _job(served, body, prompt, chat_grammar(served.grammars, body))


def prepare_completion(served: Served, body: CompletionBody) -> Job:
    """Make a job of a plain completion; raises ApiError 400 or 404."""
    if isinstance(body.prompt, str):
        prompt = served.tokenizer.encode(body.prompt)
    else:
        prompt = list(body.prompt)
    if any(token >= served.facts.vocabulary for token in prompt):
        text = f"prompt: token ids should be below {served.facts.vocabulary}"
        raise ApiError(400, text, param="prompt")
    if not prompt:
        raise ApiError(400, "prompt: should not be empty", param="prompt")
    return _job(served, body, prompt, format_grammar(served.grammars, body))


def count_tokens(served: Served, body: TokenizeBody) -> list[int]:
    """The token ids of a text, or of a conversation in the chat template."""
    served.adapter_of(body.model)
    if body.prompt is not None:
        return served.tokenizer.encode(body.prompt)
    return _chat_tokens(served.tokenizer, body.messages, body.tools)


def warm_up_job(served: Served, system: str) -> Job:
    """A job that does nothing but leave a system prompt in the cache."""
    segments = render_chat([Turn("system", system), Turn("user", "")])
    return Job(_identity("warm-up"), served.tokenizer.encode(*segments), max_tokens=1)


def _job(served: Served, body: GenerationBody, prompt: list[int], grammar: Grammar | None) -> Job:
    """What chats and plain completions have in common."""
    _check_bias(body, served.facts)
    room = max(1, served.facts.context_tokens - len(prompt))
    return Job(
        id=_identity(body.prefix),
        prompt=prompt,
        max_tokens=body.longest_answer or min(served.answer_tokens, room),
        sampling=body.sampling,
        stop=body.stop,
        grammar=grammar,
        top_logprobs=body.rivals,
        adapter=served.adapter_of(body.model),
    )


def _check_bias(body: GenerationBody, facts: EngineFacts) -> None:
    if any(not 0 <= token < facts.vocabulary for token in body.logit_bias):
        text = f"logit_bias: token ids should be from 0 to {facts.vocabulary - 1}"
        raise ApiError(400, text, param="logit_bias")


def _chat_tokens(
    tokenizer: ChatTokenizer, messages: Sequence[ChatMessage], tools: Sequence[FunctionTool]
) -> list[int]:
    turns = [_turn(message) for message in messages]
    return tokenizer.encode(*render_chat(turns, [as_tool(tool) for tool in tools]))


def _turn(message: ChatMessage) -> Turn:
    role = "system" if message.role == "developer" else message.role
    calls = [ToolCall(call.function.name, call.function.arguments) for call in message.tool_calls]
    return Turn(role, message.content, tuple(calls))


def _identity(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(12)}"
