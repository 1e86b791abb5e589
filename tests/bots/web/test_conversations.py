"""A visitor's conversations: begun, listed, exported, judged and removed."""

import json
from uuid import uuid4

from company import visiting
from peers.model import chunk, stream
from staff import nothing_left, says


async def begin(visitor):
    status, body = await visitor.call("POST", "conversations", {})
    assert status == 201
    return body["id"]


async def listed(visitor):
    status, body = await visitor.call("GET", "conversations")
    assert status == 200
    return body["conversations"]


async def test_a_new_conversation_begins_without_the_old_ones_memory(shop, peer):
    async with shop() as house, visiting(house) as visitor:
        await visitor.ask("我叫小王")
        name = await begin(visitor)
        visitor.conversation, visitor.last = name, "0-0"
        await visitor.until("done", await visitor.say("我叫什么", conversation=name))
    assert "小王" not in json.dumps(peer.bodies[1]["messages"], ensure_ascii=False)


async def test_conversations_are_listed_with_their_first_question_the_newest_first(shop):
    async with shop() as house, visiting(house) as visitor:
        assert await listed(visitor) == []
        await visitor.ask("怎么退货")
        name = await begin(visitor)
        assert len(await listed(visitor)) == 1
        await visitor.say("怎么开发票\n谢谢", conversation=name)
        await nothing_left(house)
        found = await listed(visitor)
    assert [(each["id"], each["title"]) for each in found] == [
        (name, "怎么开发票 谢谢"),
        ("home", "怎么退货"),
    ]
    assert found[0]["last"] >= found[0]["began"] > 1_700_000_000 - 1


async def test_a_name_that_was_not_given_out_leads_nowhere(shop):
    async with shop() as house, visiting(house) as visitor:
        for name in ("", "x", "../home", "0" * 17, "ffffffffffffffff\n"):
            status, _ = await visitor.call("GET", "export", params={"conversation": name})
            assert status == 404, name


async def test_a_conversation_of_another_visitor_is_empty(shop):
    async with shop() as house, visiting(house) as owner, visiting(house) as thief:
        name = await begin(owner)
        await owner.say("我的手机号是秘密", conversation=name)
        await nothing_left(house)
        for kind in ("json", "markdown"):
            asked = {"conversation": name, "format": kind}
            status, body = await thief.call("GET", "export", params=asked)
            assert status in (200, 404)
            assert "秘密" not in json.dumps(body, ensure_ascii=False)
        await thief.call("DELETE", f"conversations/{name}", {})
        assert await listed(thief) == []
        assert [each["id"] for each in await listed(owner)] == [name]


async def test_a_removed_conversation_is_gone_with_its_memory(shop, peer):
    async with shop() as house, visiting(house) as visitor:
        await visitor.ask("我叫小王")
        await nothing_left(house)
        assert (await visitor.call("DELETE", "conversations/home", {}))[0] == 204
        assert await listed(visitor) == []
        visitor.last = "0-0"
        await visitor.ask("我叫什么")
        keys = await house.store.keys("*")
    assert len(peer.bodies[1]["messages"]) == 2
    assert not [key for key in keys if ":lane:" in key]


async def test_a_conversation_in_work_is_not_removed(shop, peer):
    peer.script(stream(chunk("一"), end="hang"))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("讲个长故事")
        await visitor.until("delta", asked)
        assert (await visitor.call("DELETE", "conversations/home", {}))[0] == 409
        await visitor.call("POST", "stop", {"reply": asked})
        await visitor.until("done", asked)
        await nothing_left(house)
        assert (await visitor.call("DELETE", "conversations/home", {}))[0] == 204


async def test_a_conversation_is_exported_for_people_and_for_programs(shop):
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("怎么退货")
        await visitor.until("done", asked)
        await visitor.call("POST", "votes", {"reply": asked, "vote": "up"})
        status, text = await visitor.call("GET", "export")
        assert status == 200
        status, data = await visitor.call("GET", "export", params={"format": "json"})
        assert (await visitor.call("GET", "export", params={"format": "pdf"}))[0] == 400
    assert "> 怎么退货" in text
    assert "七天内可以退货" in text
    (exchange,) = data["exchanges"]
    assert exchange["question"] == "怎么退货"
    assert (exchange["outcome"], exchange["vote"]) == ("answered", "up")


async def test_a_thumb_is_counted_once_and_shown_again(shop):
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("怎么退货")
        await visitor.until("done", asked)
        for vote in ("up", "up", "down"):
            status, _ = await visitor.call("POST", "votes", {"reply": asked, "vote": vote})
            assert status == 202
        first = await visitor.until("vote", asked)
        second = await visitor.until("vote", asked)
        counted = house.metrics.feedback
    assert (first["vote"], second["vote"]) == ("up", "down")
    values = {vote: counted.labels("web", vote)._value.get() for vote in ("up", "down")}
    assert values == {"up": 1, "down": 1}


async def test_a_thumb_for_an_answer_nobody_got_is_refused(shop):
    async with shop() as house, visiting(house) as owner, visiting(house) as other:
        asked = await owner.say("怎么退货")
        await owner.until("done", asked)
        assert (await other.call("POST", "votes", {"reply": asked, "vote": "up"}))[0] == 404
        assert (await owner.call("POST", "votes", {"reply": asked, "vote": "ok"}))[0] == 400


async def test_a_long_thought_is_announced_and_not_kept(shop, peer):
    peer.script(says("好", delay=0.4))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("想一想")
        await visitor.until("thinking", asked)
        await visitor.until("done", asked)
        await nothing_left(house)
        visitor.last = "0-0"
        async for event in visitor.events():
            assert event["type"] != "thinking"
            if event["type"] == "done":
                break


async def test_beginning_conversations_is_no_way_round_the_limit(shop):
    limits = {"per_minute": 1, "burst": 2}
    async with shop(limits=limits) as house, visiting(house) as visitor:
        statuses = []
        for _ in range(3):
            name = await begin(visitor)
            body = {"id": str(uuid4()), "text": "怎么退货", "conversation": name}
            status, said = await visitor.call("POST", "messages", body)
            statuses.append(status)
    assert statuses == [202, 202, 429]
    assert said["text"] == "现在很忙"
