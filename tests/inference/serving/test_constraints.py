"""What an answer is held to, as the engine gets it."""

import json
import re

import openai
import pytest
from peers.engine import ScriptedEngine
from peers.serving import QUESTION, TOKENIZER, open_serving

from inference.jobs.job import Grammar, Job
from inference.serving.constraints import chat_grammar
from inference.serving.errors import ApiError
from inference.serving.protocol import ChatBody, parse
from inference.text.grammar import Grammars, SchemaRefusedError
from inference.text.tokenizer import Mark

ORDER = {
    "type": "object",
    "properties": {"order": {"type": "integer"}},
    "required": ["order"],
    "additionalProperties": False,
}
TRACK = {"type": "function", "function": {"name": "track", "parameters": ORDER}}
CANCEL = {"type": "function", "function": {"name": "cancel", "parameters": ORDER}}
STRICT = {"type": "function", "function": {**TRACK["function"], "strict": True}}


def allows(job: Job, text: str) -> bool:
    """Whether an answer may be this text, from beginning to end."""
    assert job.grammar is not None
    marks = {mark.value: mark for mark in (Mark.CALL, Mark.CALL_END)}
    parts = re.split("(</?tool_call>)", text)
    tokens = TOKENIZER.encode(*[marks.get(part, part) for part in parts])
    return all(job.grammar.accept(token) for token in tokens)


def call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


async def job_of(**more: object) -> Job:
    async with open_serving(ScriptedEngine(answer="x")) as serving:
        await serving.ask(**more)
    return serving.engine.seen[0]


async def test_an_answer_in_json_is_held_to_an_object():
    job = await job_of(response_format={"type": "json_object"})
    assert allows(job, '{"a": [1, 2]}')
    assert not allows(await job_of(response_format={"type": "json_object"}), "Sure: {}")


@pytest.mark.parametrize(
    ("text", "allowed"), [('{"order": 42}', True), ('{"order": "42"}', False), ("{}", False)]
)
async def test_an_answer_is_held_to_its_schema(text, allowed):
    schema = {"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}}
    assert allows(await job_of(response_format=schema), text) is allowed


async def test_text_is_free():
    assert (await job_of(response_format={"type": "text"})).grammar is None


async def test_an_answer_with_tools_is_a_text_or_calls_that_keep_to_them():
    for text, allowed in (
        ("On its way.", True),
        (call("track", '{"order": 42}'), True),
        (call("track", '{"order": "42"}'), False),
        (call("other", "{}"), False),
    ):
        assert allows(await job_of(tools=[TRACK]), text) is allowed


class TooLarge(Grammars):
    """What grammars say of tools that are too many or too large."""

    def tool_calls(self, tools, *, required=False, parallel=True):
        raise SchemaRefusedError("too large")


def test_tools_too_large_for_a_grammar_are_free_unless_a_call_must_keep_to_them():
    grammars = TooLarge(TOKENIZER)

    def grammar_of(**more: object) -> Grammar | None:
        body = {"messages": QUESTION, "tools": [TRACK], **more}
        return chat_grammar(grammars, parse(ChatBody, json.dumps(body).encode()))

    assert grammar_of() is None
    for must in (
        {"tool_choice": "required"},
        {"tools": [STRICT]},
        {"parallel_tool_calls": False},
    ):
        with pytest.raises(ApiError, match="400") as caught:
            grammar_of(**must)
        assert caught.value.message == "tools: no answer can be held to these: too large"


async def test_a_schema_that_no_answer_can_keep_to_is_refused():
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "wizard"}}}
    async with open_serving() as serving:
        with pytest.raises(openai.BadRequestError, match="held to this schema") as caught:
            await serving.ask(response_format=schema)
        assert caught.value.param == "response_format"
        with pytest.raises(openai.BadRequestError, match="together with tools"):
            await serving.ask(response_format={"type": "json_object"}, tools=[TRACK])
        await serving.ask(
            response_format={"type": "json_object"}, tools=[TRACK], tool_choice="none"
        )


async def test_a_plain_completion_is_held_to_its_format_too():
    async with open_serving() as serving:
        await serving.client.completions.create(
            model="qwen", prompt="x", extra_body={"response_format": {"type": "json_object"}}
        )
    assert not allows(serving.engine.seen[0], "x")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (call("track", '{"order": 1}'), True),
        (call("cancel", '{"order": 1}') + "\n" + call("track", '{"order": 1}'), True),
        (call("track", '{"order": "x"}'), False),
        ("稍等", False),
    ],
)
async def test_a_required_call_is_one_of_the_tools_and_nothing_else(text, allowed):
    job = await job_of(tools=[TRACK, CANCEL], tool_choice="required")
    assert allows(job, text) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (call("cancel", '{"order": 1}'), True),
        (call("track", '{"order": 1}'), False),
        (call("cancel", '{"order": 1}') + "\n" + call("cancel", '{"order": 1}'), False),
    ],
)
async def test_a_named_tool_is_called_once(text, allowed):
    choice = {"type": "function", "function": {"name": "cancel"}}
    job = await job_of(tools=[TRACK, CANCEL], tool_choice=choice)
    assert allows(job, text) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("稍等", True),
        ("稍等" + call("track", '{"order": 1}'), True),
        (call("track", '{"order": "x"}'), False),
    ],
)
async def test_a_strict_tool_may_be_called_after_a_text_and_only_as_it_says(text, allowed):
    assert allows(await job_of(tools=[STRICT]), text) is allowed


async def test_one_call_at_a_time_can_be_asked_for():
    twice = call("track", '{"order": 1}') + "\n" + call("track", '{"order": 1}')
    assert not allows(await job_of(tools=[TRACK], parallel_tool_calls=False), twice)


async def test_what_must_be_called_does_not_change_the_prompt():
    free = await job_of(tools=[TRACK, CANCEL])
    choice = {"type": "function", "function": {"name": "cancel"}}
    held = await job_of(tools=[TRACK, CANCEL], tool_choice=choice)
    assert list(free.prompt) == list(held.prompt)


async def test_the_next_question_of_a_conversation_begins_with_the_prompt_of_the_last():
    async with open_serving() as serving:
        for messages in (QUESTION, [*QUESTION, {"role": "assistant", "content": "好"}, *QUESTION]):
            await serving.client.chat.completions.create(model="qwen", messages=messages)
    first, second = (list(job.prompt) for job in serving.engine.seen)
    assert second[: len(first)] == first
