"""Plain completions and token counts."""

import openai
import pytest
from peers.client import connect
from peers.engine import ANSWER, ScriptedEngine
from peers.serving import QUESTION, TOKENIZER, open_serving

from inference.text.template import ChatMessage, render_chat


async def test_a_text_is_continued_in_one_piece():
    async with open_serving() as serving:
        answer = await serving.client.completions.create(model="qwen", prompt="从前", max_tokens=3)
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert answer.choices[0].text == ANSWER[:3]
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.prompt_tokens == len("从前".encode())
    assert list(serving.engine.seen[0].prompt) == TOKENIZER.encode("从前")


async def test_a_text_is_continued_in_a_stream():
    async with open_serving() as serving:
        stream = await serving.client.completions.create(
            model="qwen", prompt="从前", stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks) == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.usage.completion_tokens == len(ANSWER)


async def test_a_prompt_of_token_ids_is_taken_as_it_is():
    async with open_serving() as serving:
        for prompt in ([1, 2, 3], [[1, 2, 3]]):
            await serving.client.completions.create(model="qwen", prompt=prompt)
        with pytest.raises(openai.BadRequestError, match="below 512"):
            await serving.client.completions.create(model="qwen", prompt=[512])
    assert [list(job.prompt) for job in serving.engine.seen] == [[1, 2, 3]] * 2


@pytest.mark.parametrize("streamed", [True, False])
async def test_log_probabilities_say_where_in_the_answer_a_token_stands(streamed):
    async with open_serving(ScriptedEngine(pieces=("ab", "c", "d"))) as serving:
        answer = await serving.client.completions.create(
            model="qwen", prompt="a", logprobs=1, stream=streamed
        )
        choices = [c.choices[0] async for c in answer] if streamed else answer.choices
    told = [choice.logprobs for choice in choices if choice.logprobs]
    assert [token for each in told for token in each.tokens] == ["ab", "c", "d"]
    assert [offset for each in told for offset in each.text_offset] == [0, 2, 3]
    assert [chance for each in told for chance in each.token_logprobs] == [-0.5] * 3
    assert set(told[0].top_logprobs[0]) == {"ab", "x"}


async def test_tokens_of_a_text_are_counted_as_vllm_does():
    async with open_serving() as serving:
        async with await serving.post("/tokenize", {"model": "qwen", "prompt": "ab"}) as response:
            answer = await response.json()
    assert answer == {"count": 2, "max_model_len": 4096, "tokens": TOKENIZER.encode("ab")}


async def test_tokens_of_a_conversation_are_counted_with_the_chat_format():
    async with open_serving() as serving:
        async with await serving.post("/tokenize", {"messages": QUESTION}) as response:
            answer = await response.json()
    assert answer["count"] == len(TOKENIZER.encode(*render_chat([ChatMessage("user", "在吗")])))


async def test_the_models_client_counts_with_the_servers_tokenizer():
    async with open_serving() as serving, connect(f"{serving.url}/v1") as client:
        assert await client.count_tokens("在吗") == len("在吗".encode())
