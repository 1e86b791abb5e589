"""A question that is asked again, and answers whose sampling the visitor chose."""

import json

import pytest
from company import visiting
from staff import says


async def test_an_answer_given_again_takes_the_place_of_the_first(shop, peer):
    peer.script(says("第一个答案"), says("第二个答案"), says("好"))
    async with shop() as house, visiting(house) as visitor:
        first = await visitor.say("讲个笑话")
        await visitor.until("done", first)
        second = await visitor.say("讲个笑话", retries=first)
        assert (await visitor.until("done", second))["text"] == "第二个答案"
        await visitor.ask("谢谢")
    again = [message["role"] for message in peer.bodies[1]["messages"]]
    assert again == ["system", "user"]
    said = json.dumps(peer.bodies[2]["messages"], ensure_ascii=False)
    assert "第二个答案" in said
    assert "第一个答案" not in said


async def test_a_question_tells_which_answer_it_replaces(shop):
    async with shop() as house, visiting(house) as visitor:
        first = await visitor.say("怎么退货")
        await visitor.until("done", first)
        second = await visitor.say("怎么退货", retries=first)
        await visitor.until("done", second)
        visitor.last = "0-0"
        questions = []
        async for event in visitor.events():
            if event["type"] == "question":
                questions.append((event["id"], event.get("retries")))
            if event.get("reply") == second and event["type"] == "done":
                break
    assert questions == [(first, None), (second, first)]


async def test_a_visitor_chooses_how_freely_the_model_speaks(shop, peer):
    wishes = {"temperature": 0.1, "top_p": 0.5, "max_tokens": 64}
    async with shop() as house, visiting(house) as visitor:
        await visitor.until("done", await visitor.say("你好", sampling=wishes))
    assert {name: peer.bodies[0][name] for name in wishes} == wishes


async def test_a_visitor_cannot_ask_for_longer_answers_than_the_persona_gives(shop, peer):
    async with shop() as house, visiting(house) as visitor:
        hello = await visitor.hello()
        await visitor.until("done", await visitor.say("你好", sampling={"max_tokens": 8000}))
    assert peer.bodies[0]["max_tokens"] == hello["sampling"]["max_tokens"] == 512


async def test_a_persona_that_lets_nobody_choose_is_obeyed(shop, company, peer):
    persona = company / "personas" / "shop.yaml"
    persona.write_text(persona.read_text() + "page: {sampling: false}\n")
    async with shop() as house, visiting(house) as visitor:
        assert (await visitor.hello())["sampling"] is None
        await visitor.until("done", await visitor.say("你好", sampling={"temperature": 2}))
    assert peer.bodies[0]["temperature"] == 0.7


@pytest.mark.parametrize(
    "wish", [{"temperature": 2.1}, {"top_p": 0}, {"max_tokens": 0}, {"seed": 1}, {"top_p": "1"}]
)
async def test_a_wish_beyond_the_bounds_is_refused(shop, wish):
    async with shop() as house, visiting(house) as visitor:
        body = {"id": "0" * 8 + "-0000-4000-8000-" + "0" * 12, "text": "你好", "sampling": wish}
        assert (await visitor.call("POST", "messages", body))[0] == 400
