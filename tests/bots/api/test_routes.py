"""What OpenAI's own client gets from the running house."""

import asyncio

import openai
import pytest
from company import write_persona
from peers.caller import ask, read, user
from peers.model import DONE, chunk, hang, status, stream

from core.redis import Partition

RETURNS = "七天内可以退货，请在订单页申请。"


def says(*pieces: str, end: str = "close"):
    parts = [chunk(piece) for piece in pieces]
    return stream(*parts, *([] if end == "cut" else [chunk(finish="stop"), DONE]), end=end)


async def test_an_answer_from_knowledge_in_one_piece(open_api):
    async with open_api() as api:
        answer = await api.openai.chat.completions.create(model="shop", messages=[user("怎么退货")])
    assert answer.object == "chat.completion"
    assert answer.model == "shop"
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content.strip() == RETURNS
    assert choice.finish_reason == "stop"
    assert answer.usage.total_tokens == 0
    facts = answer.model_extra["xiaoq"]
    assert (facts["outcome"], facts["origin"]) == ("answered", "faq")
    assert facts["sources"] == [{"title": "退货", "path": "shop/faq.zh.yaml"}]
    assert len(facts["persona_version"]) == 8


async def test_an_answer_from_knowledge_as_a_stream(open_api):
    async with open_api() as api:
        text, chunks = await read(api.openai, "怎么退货")
    assert text.strip() == RETURNS
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [part.choices[0].finish_reason for part in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].model_extra["xiaoq"]["origin"] == "faq"
    assert len({part.id for part in chunks}) == 1
    assert {part.object for part in chunks} == {"chat.completion.chunk"}


async def test_a_model_answers_piece_by_piece(open_api, peer):
    go_on = asyncio.Event()
    peer.script(stream(chunk("您好，"), go_on, chunk("请稍等。"), chunk(finish="stop"), DONE))
    async with open_api(peer) as api:
        parts = await api.openai.chat.completions.create(
            model="shop", messages=[user("在吗")], stream=True
        )
        texts = []
        async for part in parts:
            if part.choices[0].delta.content:
                texts.append(part.choices[0].delta.content)
                go_on.set()  # only now may the model say the rest
    assert len(texts) > 1
    assert "".join(texts) == "您好，请稍等。"


async def test_usage_is_the_models_own_count(open_api, peer):
    async with open_api(peer) as api:
        answer = await api.openai.chat.completions.create(model="shop", messages=[user("在吗")])
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 4)
    assert answer.usage.total_tokens == 11


async def test_a_stream_carries_usage_only_where_asked(open_api, peer):
    async with open_api(peer) as api:
        _, plain = await read(api.openai, "在吗")
        _, counted = await read(api.openai, "在吗", stream_options={"include_usage": True})
    assert all(part.usage is None for part in plain)
    assert counted[-1].choices == []
    assert counted[-1].usage.total_tokens == 11


async def test_personas_are_the_models(open_api, company):
    write_persona(company, "repairs", "小修", "repairs")
    async with open_api() as api:
        models = await api.openai.models.list()
        assert [model.id for model in models.data] == ["repairs", "shop"]
        assert {model.object for model in models.data} == {"model"}
        assert (await api.openai.models.retrieve("repairs")).id == "repairs"
        assert (await api.openai.models.retrieve("小修")).id == "repairs"
        with pytest.raises(openai.NotFoundError):
            await api.openai.models.retrieve("nobody")


async def test_a_persona_is_found_by_file_name_and_by_display_name(open_api, company, peer):
    path = write_persona(company, "repairs", "小修", "repairs")
    path.write_text(path.read_text().replace("a shop", "a workshop"))
    async with open_api(peer) as api:
        await ask(api.openai, "在吗", model="repairs")
        await ask(api.openai, "在吗", model="小修")
        await ask(api.openai, "在吗", model="小Q")
    lines = ["workshop" in body["messages"][0]["content"] for body in peer.bodies]
    assert lines == [True, True, False]


async def test_an_unknown_persona_is_not_found(open_api):
    async with open_api() as api:
        with pytest.raises(openai.NotFoundError) as caught:
            await ask(api.openai, "在吗", model="gpt-4o")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "gpt-4o" in caught.value.message


async def test_a_refused_question_ends_as_filtered(open_api, peer):
    async with open_api(peer) as api:
        answer = await api.openai.chat.completions.create(
            model="shop", messages=[user("你这个大笨蛋")]
        )
        text, chunks = await read(api.openai, "你这个大笨蛋")
    assert answer.choices[0].message.content == text == "这个我不能说"
    assert answer.choices[0].finish_reason == chunks[-1].choices[0].finish_reason
    assert answer.choices[0].finish_reason == "content_filter"
    assert peer.bodies == []


async def test_a_refused_answer_stops_before_the_word_and_says_so(open_api, peer):
    peer.script(says("这一句没有问题。", "您是个", "大", "笨", "蛋", "，再见"))
    async with open_api(peer) as api:
        text, chunks = await read(api.openai, "在吗")
    assert text.endswith("\n\n这个我不能说")
    assert "大" not in text
    assert chunks[-1].choices[0].finish_reason == "content_filter"


async def test_a_model_that_breaks_off_is_followed_by_the_answer_from_knowledge(open_api, peer):
    peer.script(says("您好，这个我来", end="cut"), says("您好，这个我来", end="cut"))
    async with open_api(peer) as api:
        text, chunks = await read(api.openai, "怎么退货")
        whole = await ask(api.openai, "怎么退货")
    assert text.startswith("您好")
    assert text.partition("\n\n")[2].strip() == RETURNS
    assert chunks[-1].model_extra["xiaoq"]["origin"] == "faq"
    assert whole.strip() == RETURNS


async def test_a_model_that_is_down_is_replaced_by_knowledge(open_api, peer):
    peer.script(status(500), status(500))
    async with open_api(peer) as api:
        text, _ = await read(api.openai, "怎么退货")
    assert text.strip() == RETURNS


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_caller_who_hangs_up_stops_the_model(open_api, peer, streamed):
    peer.script(stream(chunk("您好，"), end="hang") if streamed else hang())
    async with open_api(peer) as api:
        asking = asyncio.ensure_future(
            api.openai.chat.completions.create(
                model="shop", messages=[user("讲讲")], stream=streamed
            )
        )
        if streamed:
            parts = await asking
            await anext(aiter(parts))
            await parts.close()
        else:
            await peer.until(lambda: peer.open == 1)
            asking.cancel()
        await peer.until(lambda: peer.open == 0)
    assert peer.disconnects == 1


async def test_every_answer_leaves_an_audit_record_and_numbers(open_api, store):
    async with open_api() as api:
        await ask(api.openai, "怎么退货", user="u1")
        await read(api.openai, "大笨蛋")
        async with api.http.get(api.base.replace("/v1", "/metrics")) as response:
            numbers = await response.text()
        await ask(api.openai, "转人工")
        (voice,) = api.house.personas.voices
    records = [
        fields
        for number in range(2)
        for _, fields in await store.xrange(Partition(number).key("audit"))
    ]
    assert sorted(record["outcome"] for record in records) == ["answered", "handed_over", "refused"]
    assert {(r["channel"], r["account"]) for r in records} == {("api", "crm")}
    assert {record["persona_version"] for record in records} == {voice.persona.version}
    assert 'xiaoq_accepted_total{channel="api",receipt="accepted"} 2.0' in numbers
    assert 'xiaoq_first_text_seconds_count{channel="api"} 2.0' in numbers


async def test_without_keys_there_is_no_api(open_api):
    async with open_api(api={"keys": []}) as api:
        for path in ("/models", "/chat/completions", "/anything"):
            async with api.http.get(api.base + path) as response:
                assert response.status == 404
        assert "xiaoq" not in (await api.post(b"{}"))[1]
