"""The AI bot over its long connection."""

import asyncio
import json
import time

import pytest
from staff import nothing_left, says

from bots.adapter import ChannelDownError
from bots.house import Role
from config.errors import ConfigError

RETURNS = "七天内可以退货，请在订单页申请。"


@pytest.fixture
async def house(open_bots, wecom, socket_bot):
    async with open_bots(socket_bot) as opened:
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        yield opened


async def connected(wecom, bot, logins=2):
    """Wait until XiaoQ has proved itself and then connected."""
    await wecom.wait_for(lambda: bot.socket.logins >= logins and bot.socket.is_open)


async def aged(house, seconds):
    """Let the questions be so much older."""
    async for key in house.store.scan_iter("*:wecom-aibot:*"):
        if await house.store.type(key) == "hash" and "owed" not in key:
            await house.store.hset(key, "asked", repr(time.time() - seconds))


async def nothing_owed(house):
    """Wait until every answer was sent."""
    async with asyncio.timeout(5):
        while [key async for key in house.store.scan_iter("*:owed")]:
            await asyncio.sleep(0.02)


async def test_a_question_is_answered_in_its_stream(house, wecom, socket_bot):
    exchange = socket_bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)
    assert (exchange.text, exchange.finished) == (RETURNS, True)
    assert exchange.feedback_id
    assert exchange.offences == []
    assert socket_bot.socket.pushed == []
    await nothing_left(house)


async def test_in_a_group_too(house, wecom, socket_bot):
    exchange = socket_bot.asks("lihua", "怎么退货？", "wr1")
    await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == RETURNS


async def test_a_models_answer_grows_two_to_three_times_a_second(
    open_bots, wecom, socket_bot, model, thinking
):
    model.script(says(*"一二三四五六七八九十", delay=0.15))
    async with open_bots(socket_bot, **thinking):
        await connected(wecom, socket_bot)
        exchange = socket_bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.over, 10)
    assert exchange.text == "一二三四五六七八九十"
    assert len(exchange.snapshots) > 2
    pauses = [b - a for a, b in zip(exchange.shown_at, exchange.shown_at[1:], strict=False)]
    assert all(pause > 0.3 for pause in pauses[:-1])


async def test_a_callback_brought_twice_is_answered_once(house, wecom, socket_bot, model):
    exchange = socket_bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)
    await nothing_left(house)
    frames = len(socket_bot.socket.frames)
    await socket_bot.socket.bring_again(exchange)
    await wecom.wait_for(lambda: len(socket_bot.socket.frames) > frames)
    assert (await house.inbox.depth())[0] == 0
    assert house.metrics.answered.labels("wecom-aibot", "answered", "faq")._value.get() == 1


async def test_a_question_brought_again_meanwhile_is_answered_once(
    open_bots, wecom, socket_bot, model, thinking
):
    model.script(says("想了", "很久。", delay=0.8))
    async with open_bots(socket_bot, **thinking) as house:
        await connected(wecom, socket_bot)
        exchange = socket_bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.snapshots)
        await socket_bot.socket.bring_again(exchange)
        await wecom.wait_for(lambda: exchange.finished, 10)
        await nothing_left(house)
        await nothing_owed(house)
    ends = [
        f for f in socket_bot.socket.frames if f.get("body", {}).get("stream", {}).get("finish")
    ]
    assert len(ends) == 1
    assert socket_bot.socket.pushed == []
    assert len(model.bodies) == 1


async def test_many_people_at_once_are_each_answered(house, wecom, socket_bot):
    exchanges = [socket_bot.asks(f"user{number}", "怎么退货？") for number in range(60)]
    await wecom.wait_for(lambda: all(exchange.over for exchange in exchanges), 20)
    assert {exchange.text for exchange in exchanges} == {RETURNS}


async def test_a_stream_that_is_over_is_followed_by_a_message(
    open_bots, wecom, socket_bot, thinking, gate
):
    async with open_bots(socket_bot, **thinking) as house:
        await connected(wecom, socket_bot)
        exchange = socket_bot.asks("lihua", "洗衣机怎么用", "wr1")
        await wecom.wait_for(lambda: exchange.snapshots)
        await aged(house, 331)
        await wecom.wait_for(lambda: exchange.over)
        gate.set()
        await wecom.wait_for(lambda: socket_bot.socket.pushed)
    assert exchange.text == "想了很久，\n\n内容还在生成，完整回答稍后发给您。"
    (pushed,) = socket_bot.socket.pushed
    assert pushed["chatid"] == "wr1"
    assert pushed["markdown"] == {"content": "想了很久，终于想好了。"}


async def test_a_stream_that_wecom_has_ended_is_followed_by_a_message(
    open_bots, wecom, socket_bot, thinking, gate
):
    async with open_bots(socket_bot, **thinking):
        await connected(wecom, socket_bot)
        exchange = socket_bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.snapshots)
        wecom.clock.pass_time(361)
        gate.set()
        await wecom.wait_for(lambda: socket_bot.socket.pushed)
    assert socket_bot.socket.pushed[0]["markdown"] == {"content": "想了很久，终于想好了。"}


@pytest.mark.parametrize("code", [6000, 45009])
async def test_a_push_that_was_turned_away_is_made_again(house, wecom, socket_bot, code):
    socket_bot.socket.refusals += [("aibot_respond_msg", code)] * 2
    exchange = socket_bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over, 10)
    assert exchange.text == RETURNS


async def test_a_connection_that_breaks_is_opened_again_and_owed_answers_follow(
    open_bots, wecom, socket_bot, model, thinking, gate
):
    async with open_bots(socket_bot, **thinking):
        await connected(wecom, socket_bot)
        exchange = socket_bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.snapshots)
        socket_bot.socket.cut()
        await connected(wecom, socket_bot, 3)
        gate.set()
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == "想了很久，终于想好了。"
    assert len(model.bodies) == 1


async def test_who_opens_the_chat_is_greeted_and_may_press_a_question(
    open_bots, wecom, socket_bot, company
):
    persona = company / "personas/shop.yaml"
    persona.write_text(persona.read_text() + "suggestions: {zh: [怎么退货？]}\n")
    async with open_bots(socket_bot):
        await connected(wecom, socket_bot)
        greeting = socket_bot.enters("lihua")
        await wecom.wait_for(lambda: greeting.over)
        (card,) = greeting.cards
        socket_bot.presses("lihua", card["button_list"][0]["key"], card["task_id"])
        await wecom.wait_for(lambda: socket_bot.socket.pushed)
    assert socket_bot.socket.pushed[0]["chatid"] == "lihua"
    assert socket_bot.socket.pushed[0]["markdown"] == {"content": RETURNS}


async def test_a_thumb_is_counted(house, wecom, socket_bot):
    exchange = socket_bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)
    socket_bot.rates(exchange, 2)
    votes = house.metrics.feedback.labels("wecom-aibot", "down")._value
    async with asyncio.timeout(5):
        while not votes.get():
            await asyncio.sleep(0.01)


async def test_a_text_file_is_read_with_its_own_key(open_bots, wecom, socket_bot, model, thinking):
    model.script(says("文件说的是苹果。"))
    async with open_bots(socket_bot, **thinking):
        await connected(wecom, socket_bot)
        exchange = socket_bot.shares("lihua", "file", "苹果五元一斤。".encode())
        await wecom.wait_for(lambda: exchange.over, 10)
    assert "苹果五元一斤" in json.dumps(model.bodies[-1], ensure_ascii=False)


async def test_of_two_replicas_one_is_connected_and_the_other_follows_it(
    open_bots, wecom, socket_bot
):
    async with open_bots(socket_bot, role=Role.WORKER):
        async with open_bots(socket_bot, role=Role.GATEWAY):
            await connected(wecom, socket_bot)
            async with open_bots(socket_bot, role=Role.GATEWAY):
                exchange = socket_bot.asks("lihua", "怎么退货？")
                await wecom.wait_for(lambda: exchange.over)
                assert (socket_bot.socket.logins, socket_bot.socket.kicked) == (2, 0)
        async with open_bots(socket_bot, role=Role.GATEWAY):
            await connected(wecom, socket_bot, 4)
            exchange = socket_bot.asks("lihua", "怎么退货？")
            await wecom.wait_for(lambda: exchange.over)
    assert socket_bot.socket.kicked == 0


async def test_one_that_was_replaced_does_not_fight_and_neither_does_its_stand_by(
    open_bots, house, wecom, socket_bot
):
    async with open_bots(socket_bot, role=Role.GATEWAY) as stand_by:
        await socket_bot.socket._send_away()
        for one in (house, stand_by):
            (ears,) = one.ears
            async with asyncio.timeout(5):
                while "another program connected" not in str((await ears.part()).facts):
                    await asyncio.sleep(0.01)
        with pytest.raises(ChannelDownError, match="another program connected"):
            await ears.adapter.listen()
    assert socket_bot.socket.logins == 2


async def test_a_start_ends_the_rest_after_a_replacement(open_bots, wecom, socket_bot):
    async with open_bots(socket_bot) as house:
        await connected(wecom, socket_bot)
        await socket_bot.socket._send_away()
        async with asyncio.timeout(5):
            while not await house.store.keys("*:rest"):
                await asyncio.sleep(0.01)
    async with open_bots(socket_bot):
        await connected(wecom, socket_bot, 4)


async def test_a_wrong_secret_stops_the_start_with_one_line(open_bots, written, socket_bot):
    socket_bot.secret = "wrong-secret"
    with pytest.raises(ConfigError, match=r"^XIAOQ_WECOM__AIBOT_SECRET: WeCom refuses the login"):
        async with open_bots(socket_bot):
            pass


async def test_what_is_said_while_redis_is_away_is_answered_with_a_word(
    house, wecom, socket_bot, monkeypatch
):
    monkeypatch.setattr("bots.wecom.aibot.session.ACCEPT_SECONDS", 0.1)
    await house.store.config_set("maxmemory", 1)
    try:
        exchange = socket_bot.asks("lihua", "怎么退货？")
        await wecom.wait_for(lambda: exchange.over)
    finally:
        await house.store.config_set("maxmemory", 0)
    assert exchange.text == "现在消息太多，这一条没能收下，请稍后再发一次。"


async def test_who_presses_a_question_when_there_is_too_much_to_do_is_told_so(
    open_bots, wecom, socket_bot, model, thinking, gate
):
    full = {"lease_seconds": 2, "grace_seconds": 2, "backlog": 1}
    async with open_bots(socket_bot, inbox=full, **thinking):
        await connected(wecom, socket_bot)
        asked = socket_bot.asks("lihua", "洗衣机怎么用")
        await model.until(lambda: len(model.bodies) == 1)
        socket_bot.presses("lihua", "ask/怎么退货？", "t1")
        await wecom.wait_for(lambda: socket_bot.socket.pushed)
        gate.set()
        await wecom.wait_for(lambda: asked.over)
    assert socket_bot.socket.pushed[0]["chatid"] == "lihua"
    assert "这一条没能收下" in socket_bot.socket.pushed[0]["markdown"]["content"]
