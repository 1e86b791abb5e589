"""Chats, with OpenAI's own client against a scripted engine."""

import json

import openai
import pytest
from peers.engine import ANSWER, ScriptedEngine
from peers.serving import QUESTION, TOKENIZER, open_serving

from inference.jobs.job import Sampling
from inference.text.template import ChatMessage, render_chat

CALL = '<tool_call>\n{"name": "track", "arguments": {"order": "42"}}\n</tool_call>'
TOOLS = [{"type": "function", "function": {"name": "track", "parameters": {"type": "object"}}}]


async def test_an_answer_is_streamed_letter_by_letter_to_its_finish():
    async with open_serving() as serving:
        serving.engine.allow(2)
        stream = await serving.client.chat.completions.create(
            model="qwen", messages=QUESTION, stream=True
        )
        first = await anext(stream)
        assert first.choices[0].delta.role == "assistant"
        assert (await anext(stream)).choices[0].delta.content == ANSWER[0]
        serving.engine.allow(None)
        rest = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in rest) == ANSWER[1:]
    assert rest[-1].choices[0].finish_reason == "stop"
    assert {chunk.id for chunk in rest} == {first.id}
    assert first.id.startswith("chatcmpl-")
    assert first.object == "chat.completion.chunk"


async def test_the_usage_of_a_stream_comes_last_and_only_if_asked_for():
    async with open_serving(ScriptedEngine(cached_tokens=7)) as serving:
        create = serving.client.chat.completions.create
        plain = [c async for c in await create(model="qwen", messages=QUESTION, stream=True)]
        options = {"include_usage": True}
        stream = await create(model="qwen", messages=QUESTION, stream=True, stream_options=options)
        asked = [chunk async for chunk in stream]
    assert all(chunk.usage is None for chunk in plain)
    assert all(chunk.usage is None for chunk in asked[:-1])
    assert asked[-1].choices == []
    usage = asked[-1].usage
    prompt = len(serving.engine.seen[-1].prompt)
    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt, len(ANSWER))
    assert usage.total_tokens == prompt + len(ANSWER)
    assert usage.prompt_tokens_details.cached_tokens == 7


async def test_an_answer_comes_in_one_piece_with_its_usage():
    async with open_serving(ScriptedEngine(cached_tokens=7)) as serving:
        answer = await serving.client.chat.completions.create(model="qwen", messages=QUESTION)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None
    assert answer.usage.completion_tokens == len(ANSWER)
    assert answer.usage.prompt_tokens_details.cached_tokens == 7


async def test_a_conversation_reaches_the_engine_in_the_models_chat_format():
    async with open_serving() as serving:
        await serving.client.chat.completions.create(
            model="qwen",
            messages=[
                {"role": "developer", "content": "你是小Q"},
                {"role": "user", "content": [{"type": "text", "text": "查<|im_end|>"}]},
                {"role": "assistant", "content": "好"},
                {"role": "user", "content": "谢谢"},
            ],
        )
    turns = [("system", "你是小Q"), ("user", "查<|im_end|>"), ("assistant", "好"), ("user", "谢谢")]
    segments = render_chat([ChatMessage(role, text) for role, text in turns])
    assert list(serving.engine.seen[0].prompt) == TOKENIZER.encode(*segments)


async def test_what_a_caller_says_about_sampling_reaches_the_engine():
    async with open_serving() as serving:
        await serving.ask(
            temperature=0.1,
            top_p=0.5,
            seed=-3,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            logit_bias={"17": -100},
            stop=["。", "END"],
            max_completion_tokens=5,
            extra_body={"top_k": -1, "min_p": 0.1, "repetition_penalty": 1.2},
        )
        await serving.ask(stop="。", max_tokens=3)
    said, unsaid = serving.engine.seen
    assert said.sampling == Sampling(0.1, 0.5, 0, 0.1, 1.2, 0.5, -0.5, {17: -100.0}, -3)
    assert (said.stop, said.max_tokens) == (("。", "END"), 5)
    assert unsaid.sampling == Sampling()
    assert (unsaid.stop, unsaid.max_tokens) == (("。",), 3)


async def test_an_answer_that_is_cut_says_length():
    async with open_serving() as serving:
        answer = await serving.client.chat.completions.create(
            model="qwen", messages=QUESTION, max_tokens=2
        )
    assert answer.choices[0].message.content == ANSWER[:2]
    assert answer.choices[0].finish_reason == "length"


async def test_a_caller_who_says_no_length_gets_the_usual_one_or_the_room_that_is_left():
    async with open_serving(answer_tokens=1000) as serving:
        await serving.ask()
        long = [{"role": "user", "content": "x" * 3500}]
        await serving.client.chat.completions.create(model="qwen", messages=long)
    usual, left = serving.engine.seen
    assert usual.max_tokens == 1000
    assert left.max_tokens == 4096 - len(left.prompt) < 1000


async def test_an_adapter_is_chosen_by_the_models_name():
    async with open_serving() as serving:
        await serving.client.chat.completions.create(model="qwen:repairs", messages=QUESTION)
        with pytest.raises(openai.NotFoundError) as caught:
            await serving.client.chat.completions.create(model="qwen:other", messages=QUESTION)
        names = [model.id async for model in serving.client.models.list()]
        assert (await serving.client.models.retrieve("qwen:repairs")).id == "qwen:repairs"
    assert serving.engine.seen[0].adapter == "repairs"
    assert caught.value.code == "model_not_found"
    assert names == ["qwen", "qwen:repairs"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_log_probabilities_come_with_their_rivals(streamed):
    async with open_serving() as serving:
        answer = await serving.client.chat.completions.create(
            model="qwen",
            messages=QUESTION,
            logprobs=True,
            top_logprobs=2,
            max_tokens=3,
            stream=streamed,
        )
        choices = [c.choices[0] async for c in answer] if streamed else answer.choices
    entries = [entry for c in choices if c.logprobs for entry in c.logprobs.content]
    assert [entry.token for entry in entries] == list(ANSWER[:3])
    assert entries[0].bytes == list(ANSWER[0].encode())
    assert entries[0].logprob == -0.5
    assert [rival.token for rival in entries[0].top_logprobs] == ["x", "xx"]


async def test_a_call_is_told_apart_from_text():
    async with open_serving(ScriptedEngine(answer="稍等。\n" + CALL)) as serving:
        answer = await serving.client.chat.completions.create(
            model="qwen", messages=QUESTION, tools=TOOLS
        )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "稍等。"
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "track")
    assert json.loads(call.function.arguments) == {"order": "42"}


async def test_a_call_is_streamed_as_it_is_written():
    async with open_serving(ScriptedEngine(answer=CALL + "\n" + CALL)) as serving:
        stream = await serving.client.chat.completions.create(
            model="qwen", messages=QUESTION, tools=TOOLS, stream=True
        )
        choices = [chunk.choices[0] async for chunk in stream]
    pieces = [call for choice in choices for call in choice.delta.tool_calls or ()]
    named = [call for call in pieces if call.id]
    assert [(call.index, call.function.name) for call in named] == [(0, "track"), (1, "track")]
    assert len({call.id for call in named}) == 2
    for index in (0, 1):
        text = "".join(call.function.arguments for call in pieces if call.index == index)
        assert json.loads(text) == {"order": "42"}
    assert choices[-1].finish_reason == "tool_calls"
    assert not any(choice.delta.content for choice in choices)


async def test_calls_and_their_results_go_back_into_the_prompt():
    async with open_serving() as serving:
        called = {"id": "1", "type": "function", "function": {"name": "track", "arguments": "{}"}}
        await serving.client.chat.completions.create(
            model="qwen",
            messages=[
                *QUESTION,
                {"role": "assistant", "content": None, "tool_calls": [called]},
                {"role": "tool", "tool_call_id": "1", "content": "已发货"},
            ],
            tools=TOOLS,
        )
    prompt = TOKENIZER.decode(serving.engine.seen[0].prompt)
    assert '<tool_call>\n{"name": "track", "arguments": {}}\n</tool_call>' in prompt
    assert "<tool_response>\n已发货\n</tool_response>" in prompt
    assert '"name": "track"' in prompt.partition("\n</tools>")[0]


async def test_a_model_told_to_call_nothing_is_told_of_no_tools():
    async with open_serving() as serving:
        await serving.ask(tools=TOOLS, tool_choice="none")
    assert "track" not in TOKENIZER.decode(serving.engine.seen[0].prompt)


async def test_text_that_looks_like_a_call_stays_text_where_no_tools_are():
    async with open_serving(ScriptedEngine(answer=CALL)) as serving:
        assert await serving.ask() == CALL
