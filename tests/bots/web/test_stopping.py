"""An answer that its reader wants no more of."""

import json

from company import running, settings_for, visiting
from peers.model import chunk, stream
from staff import nothing_left, says

from bots.house import Role


async def stop(visitor, reply):
    status, _ = await visitor.call("POST", "stop", {"reply": reply})
    assert status == 202


async def test_a_stopped_answer_ends_with_what_was_shown_and_the_model_is_let_go(shop, peer):
    peer.script(stream(chunk("您好，"), chunk("请稍等"), end="hang"))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("讲个长故事")
        await visitor.until("delta", asked)
        await stop(visitor, asked)
        done = await visitor.until("done", asked)
        await peer.until(lambda: peer.disconnects == 1)
        await nothing_left(house)
    assert done["outcome"] == "stopped"
    assert "您好，请稍等".startswith(done["text"])
    assert done["text"]


async def test_an_answer_is_stopped_while_it_is_thought_of(shop, peer):
    peer.script(stream(end="hang"))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("讲个长故事")
        await visitor.until("thinking", asked)
        await stop(visitor, asked)
        done = await visitor.until("done", asked)
    assert (done["outcome"], done["text"]) == ("stopped", "")


async def test_a_waiting_question_is_stopped_before_its_turn(shop, peer):
    peer.script(stream(chunk("一"), end="hang"), stream(end="hang"))
    async with shop() as house, visiting(house) as visitor:
        first = await visitor.say("第一个问题")
        await visitor.until("delta", first)
        second = await visitor.say("第二个问题")
        await stop(visitor, first)
        await visitor.until("done", first)
        await stop(visitor, second)
        assert (await visitor.until("done", second))["outcome"] == "stopped"


async def test_a_stop_reaches_a_worker_in_another_process(company, redis_url, store, peer):
    peer.script(stream(chunk("您好"), end="hang"))
    sections = {"inference": {"endpoints": [{"url": peer.url, "model": "peer"}]}}
    worker = settings_for(company, redis_url, **sections)
    gateway = settings_for(company, redis_url, **sections)
    async with (
        running(worker, Role.WORKER),
        running(gateway, Role.GATEWAY) as house,
        visiting(house) as visitor,
    ):
        asked = await visitor.say("讲个长故事")
        await visitor.until("delta", asked)
        await stop(visitor, asked)
        assert (await visitor.until("done", asked))["outcome"] == "stopped"


async def test_a_stop_for_another_answer_stops_nothing(shop, peer):
    peer.script(says("一", "二", "三", delay=0.1))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("数数")
        await stop(visitor, "00000000-0000-4000-8000-000000000000")
        done = await visitor.until("done", asked)
    assert (done["outcome"], done["text"]) == ("answered", "一二三")


async def test_nothing_but_the_end_is_left_of_a_stopped_answer(shop, peer):
    peer.script(stream(chunk("您好，"), end="hang"))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("讲个长故事")
        await visitor.until("delta", asked)
        await stop(visitor, asked)
        await visitor.until("done", asked)
        await nothing_left(house)
        visitor.last = "0-0"
        types = []
        async for event in visitor.events():
            types.append(event["type"])
            if event["type"] == "done":
                break
    assert set(types) == {"question", "start", "done"}


async def test_the_model_remembers_what_was_shown_of_a_stopped_answer(shop, peer):
    peer.script(stream(chunk("从前有座山"), end="hang"), says("好"))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("讲个长故事")
        await visitor.until("delta", asked)
        await stop(visitor, asked)
        await visitor.until("done", asked)
        await visitor.ask("然后呢")
    said = json.dumps(peer.bodies[1]["messages"], ensure_ascii=False)
    assert "讲个长故事" in said
    assert "从前有座山" in said
