"""A process of the AI bot dies at any moment; what it left is finished by the next."""

import asyncio
import time
from contextlib import aclosing, asynccontextmanager

import pytest
from company import free_port
from mortal import KilledError, Life, MortalInbox, Record, ready, reply_of
from staff import nothing_left

from bots.house import Role
from bots.http import open_door
from bots.wecom.aibot.account import open_aibot
from bots.wecom.aibot.events import CHANNEL, CHAT, RESPONSE_URL, STREAM
from bots.wecom.aibot.streams import Streams
from config.settings import HttpSettings, WeComSettings
from core.health import Health
from core.messages import Address, Message
from core.turn import Turn

RETURNS = "七天内可以退货，请在订单页申请。"
WHERE = Address(CHANNEL, "main", "AIB", "lihua")
LONG = "\n\n".join(f"第{n}段，" + "退货" * 2000 for n in range(2))
"""Two messages of 20480 bytes."""


@pytest.fixture
async def worker(open_house):
    """XiaoQ without ears, for whatever bot."""
    async with open_house(role=Role.WORKER) as house:
        yield house


@pytest.fixture
def open_account(worker, written):
    """A bot's account around an inbox of one's own."""

    @asynccontextmanager
    async def opened(bot, inbox=None):
        async with open_aibot(
            WeComSettings.model_validate(written(bot)),
            store=worker.store,
            inbox=inbox or worker.inbox,
            feedback=worker.feedback,
            personas=worker.personas,
            metrics=worker.metrics,
        ) as account:
            worker.channels.add(account.channel, CHANNEL, "main")
            yield account

    return opened


@pytest.mark.parametrize("dies_at", [1, 2])
async def test_a_question_killed_around_its_acceptance_is_answered_once(
    open_account, worker, wecom, bot, dies_at
):
    inbox = MortalInbox(worker.store, len(worker.inbox.partitions), Life(dies_at))
    http = HttpSettings(port=free_port())
    async with (
        open_account(bot, inbox) as account,
        open_door(http, account.routes(), Health()) as url,
    ):
        bot.endpoint.url = f"{url}/wecom/aibot"
        exchange = bot.asks("lihua", "怎么退货？")
        await wecom.wait_for(lambda: exchange.over)
        await nothing_left(worker)
    assert [seen.status for seen in wecom.courier.deliveries[0].tries] == [500, 200]
    assert (exchange.text, exchange.finished) == (RETURNS, True)
    assert worker.metrics.answered.labels(CHANNEL, "answered", "faq")._value.get() == 1


@pytest.mark.parametrize("dies_at", range(1, 8))
@pytest.mark.parametrize("text", [RETURNS, LONG], ids=["short", "long"])
async def test_an_answer_killed_at_any_step_is_shown_whole_once(
    open_account, worker, wecom, bot, text, dies_at
):
    exchange = bot.asks("lihua", "问")
    streams = Streams(worker.store, worker.inbox)
    await worker.store.execute_command(*streams.opening(WHERE, "s1", time.time(), "zh")[0])
    record = Record(worker.store)
    record.life = Life(dies_at)
    async with open_account(bot) as account:
        looking = asyncio.create_task(_look(streams))
        try:
            await _reply(account.channel, record, exchange, text)
        except KilledError:
            record.life = Life()
            await _reply(account.channel, record, exchange, text)
        shown = [await looking, *(body["markdown"]["content"] for body in exchange.later)]
    assert "\n\n".join(shown) == text


async def test_a_holder_that_dies_is_followed_by_the_next_with_what_it_owed(
    open_bots, wecom, socket_bot, thinking, gate
):
    async with open_bots(socket_bot, role=Role.WORKER, **thinking):
        async with open_bots(socket_bot, role=Role.GATEWAY):
            await wecom.wait_for(lambda: socket_bot.socket.logins == 2)
            exchange = socket_bot.asks("lihua", "洗衣机怎么用")
            await wecom.wait_for(lambda: exchange.snapshots)
        gate.set()
        async with open_bots(socket_bot, role=Role.GATEWAY):
            await wecom.wait_for(lambda: exchange.over)
    assert exchange.text == "想了很久，终于想好了。"
    assert socket_bot.socket.pushed == []


async def _look(streams):
    """Ask for the answer as WeCom does; what the end of its stream showed."""
    while True:
        shown = await streams.read(WHERE, "s1")
        if shown is not None and shown.is_finished:
            await streams.bring(WHERE, "s1", shown)
            return shown.content
        await asyncio.sleep(0.005)


async def _reply(channel, record, exchange, text):
    envelope = {STREAM: "s1", RESPONSE_URL: exchange.payload["response_url"], CHAT: "lihua"}
    turn = Turn((Message("m1", WHERE, "问", time.time(), envelope=envelope),))
    async with aclosing(ready(reply_of(text))) as events:
        await channel.reply(turn, events, record)
