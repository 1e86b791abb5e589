"""A connection that is cut and refuses: whatever was heard comes to an end that can be seen."""

import asyncio
import random

import pytest

from bots.wecom.aibot import words
from bots.wecom.aibot.book import Book, Owed
from bots.wecom.aibot.ear import bot_name
from config.settings import WeComSettings
from core.inbox import Inbox
from core.lanes import Receipt
from core.messages import Address

RETURNS = "七天内可以退货，请在订单页申请。"
LOST = "抱歉，这条回答中断了，请再问一次。"
PEOPLE = 180
BUSY, TOO_MANY, NO_SUCH_REQUEST, OVER = 6000, 45009, 846605, 846608


@pytest.fixture
def slow_accept(monkeypatch):
    """Writing a question down begins, and takes a while."""
    begun, accept = asyncio.Event(), Inbox.accept

    async def slow(*arguments):
        begun.set()
        await asyncio.sleep(0.2)
        return await accept(*arguments)

    monkeypatch.setattr(Inbox, "accept", slow)
    return begun


async def test_a_cut_while_a_question_is_written_down_loses_nothing(
    open_bots, wecom, socket_bot, slow_accept
):
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        exchange = socket_bot.asks("lihua", "怎么退货？")
        await slow_accept.wait()
        socket_bot.socket.cut()
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == RETURNS


async def test_a_stop_while_a_question_is_written_down_loses_nothing(
    open_bots, wecom, socket_bot, slow_accept
):
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        exchange = socket_bot.asks("lihua", "怎么退货？")
        await slow_accept.wait()
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == RETURNS


@pytest.mark.parametrize("code", [NO_SUCH_REQUEST, OVER, 42001])
async def test_one_refusal_does_not_leave_a_stream_open(
    open_bots, wecom, socket_bot, thinking, gate, code
):
    async with open_bots(socket_bot, **thinking):
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        exchange = socket_bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: exchange.snapshots)
        socket_bot.socket.refusals.append(("aibot_respond_msg", code))
        gate.set()
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == "想了很久，终于想好了。"
    assert (socket_bot.socket.logins, socket_bot.socket.pushed) == (2, [])


async def test_a_stream_that_does_not_grow_any_more_still_ends(
    open_bots, wecom, socket_bot, thinking, gate
):
    async with open_bots(socket_bot, **thinking):
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        socket_bot.socket.refusals.append(("aibot_respond_msg", NO_SUCH_REQUEST))
        exchange = socket_bot.asks("lihua", "洗衣机怎么用")
        await wecom.wait_for(lambda: not socket_bot.socket.refusals)
        gate.set()
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == "想了很久，终于想好了。"


async def test_who_was_heard_but_not_written_down_is_asked_to_write_again(
    open_bots, written, wecom, socket_bot, store, monkeypatch
):
    monkeypatch.setattr("bots.wecom.aibot.follower.FORGOTTEN_SECONDS", 0.1)
    exchange = socket_bot.asks("lihua", "怎么退货？")
    await wecom.wait_for(lambda: exchange.over)  # nobody was there
    exchange.over = False
    bot = bot_name(WeComSettings.model_validate(written(socket_bot)))
    address = Address("wecom-aibot", "main", "AIS", "lihua")
    await Book(store, bot).enter(Owed("s1", address, "lihua", "q1"))
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == LOST


async def test_who_is_turned_away_is_told_although_wecom_is_busy_at_first(
    open_bots, wecom, socket_bot, monkeypatch
):
    async def full(*_):
        return Receipt.BACKLOG_FULL

    monkeypatch.setattr(Inbox, "accept", full)
    socket_bot.socket.refusals.append(("aibot_respond_msg", BUSY))
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        exchange = socket_bot.asks("lihua", "怎么退货？")
        await wecom.wait_for(lambda: exchange.over)
    assert (exchange.text, socket_bot.socket.refusals) == (words.BUSY["zh"], [])


async def test_in_a_flood_while_nothing_can_be_written_down_each_is_answered_or_turned_away(
    open_bots, wecom, socket_bot, monkeypatch, capsys
):
    monkeypatch.setattr("bots.wecom.aibot.connection.MOST_HEARD", 3)
    monkeypatch.setattr("bots.wecom.aibot.session.MOST_AT_ONCE", 1)
    goes_on, accept = asyncio.Event(), Inbox.accept

    async def held_up(*arguments):
        await goes_on.wait()
        return await accept(*arguments)

    monkeypatch.setattr(Inbox, "accept", held_up)
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        exchanges = [socket_bot.asks(f"user{number}", "怎么退货？") for number in range(9)]
        await wecom.wait_for(lambda: any(exchange.over for exchange in exchanges))
        goes_on.set()
        await wecom.wait_for(lambda: all(exchange.over for exchange in exchanges))
    texts = [exchange.text for exchange in exchanges]
    assert set(texts) == {words.BUSY["zh"], RETURNS}
    assert capsys.readouterr().out.count("callback turned away") == texts.count(words.BUSY["zh"])


async def test_a_flood_does_not_hide_that_another_connection_took_our_place(
    open_bots, wecom, socket_bot, monkeypatch
):
    monkeypatch.setattr("bots.wecom.aibot.connection.MOST_HEARD", 0)
    async with open_bots(socket_bot) as house:
        await wecom.wait_for(lambda: socket_bot.socket.logins > 1)
        await socket_bot.socket._send_away()
        (ears,) = house.ears
        async with asyncio.timeout(5):
            while "another program connected" not in str((await ears.part()).facts):
                await asyncio.sleep(0.01)


def strike(socket, dice):
    """Let something happen to the connection, or nothing."""
    match dice.randrange(12):
        case 0:
            socket.cut()
        case 1:
            socket.refusals.append(("aibot_respond_msg", dice.choice([NO_SUCH_REQUEST, OVER])))
        case 2:
            command = dice.choice(["aibot_respond_msg", "aibot_send_msg"])
            socket.refusals.append((command, dice.choice([BUSY, TOO_MANY])))


async def test_whatever_happens_to_the_connection_everybody_is_answered(
    open_bots, wecom, socket_bot, monkeypatch
):
    monkeypatch.setattr("bots.adapter.LONGEST_PAUSE_SECONDS", 0.1)
    seed = random.randrange(1 << 30)
    dice, socket = random.Random(seed), socket_bot.socket
    async with open_bots(socket_bot):
        await wecom.wait_for(lambda: socket.logins > 1)
        exchanges = []
        for number in range(PEOPLE):
            await wecom.wait_for(lambda: socket.is_open)
            exchanges.append(socket_bot.asks(f"user{number}", "怎么退货？"))
            await asyncio.sleep(0.01 * dice.random())
            strike(socket, dice)
        heard = [exchange for exchange in exchanges if not exchange.offences]
        await wecom.wait_for(lambda: all(exchange.over for exchange in heard), 30)
    told = {body["chatid"] for body in socket.pushed}
    assert len(heard) > PEOPLE / 2
    assert [x.user for x in heard if x.text != RETURNS and x.user not in told] == [], seed
