"""What goes wrong with the peer when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from peers.telegram import TelegramPeer, telegram_peer
from peers.telegram_faults import RateLimits
from telegram import Bot
from telegram.error import NetworkError, RetryAfter, TimedOut
from telegram.request import HTTPXRequest

CUSTOMER = 7
GROUP = -1_000_000_000_555


@pytest.fixture
async def peer() -> AsyncIterator[TelegramPeer]:
    async with telegram_peer() as running:
        running.bot().says(CUSTOMER, "hello")
        running.bots["123:abc"].says(CUSTOMER, "hello", chat=GROUP)
        yield running


@pytest.fixture
async def bot(peer: TelegramPeer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    # Without it python-telegram-bot 22.8 warns whenever it is told to wait.
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    patient = HTTPXRequest(read_timeout=0.3)
    async with Bot("123:abc", base_url=peer.base, request=patient) as connected:
        yield connected


async def refused(bot: Bot, chat_id: int) -> float:
    with pytest.raises(RetryAfter) as refusal:
        await bot.send_message(chat_id, "x")
    wait = refusal.value.retry_after
    assert isinstance(wait, timedelta)
    return wait.total_seconds()


@pytest.mark.parametrize(("trouble", "arrives"), [(502, 0), (500, 0), ("reset", 0), ("lost", 1)])
async def test_a_call_fails_as_often_as_told(
    peer: TelegramPeer, bot: Bot, trouble: int, arrives: int
) -> None:
    peer.fail("sendMessage", trouble, times=2)
    for _ in range(2):
        with pytest.raises(NetworkError):
            await bot.send_message(CUSTOMER, "x")
    await bot.get_me()
    assert (await bot.send_message(CUSTOMER, "y")).text == "y"
    assert peer.texts(CUSTOMER) == ["x"] * 2 * arrives + ["y"]


async def test_a_mute_or_late_answer_times_out(peer: TelegramPeer, bot: Bot) -> None:
    peer.fail("sendMessage", "hang")
    peer.fail("sendMessage", "slow", seconds=0.6)
    for text in ("hang", "slow"):
        with pytest.raises(TimedOut):
            await bot.send_message(CUSTOMER, text)
    assert [call.status for call in peer.called("sendMessage")] == [None, None]
    assert peer.texts(CUSTOMER) == []


async def test_a_peer_that_was_down_comes_back_with_all_its_chats(
    peer: TelegramPeer, bot: Bot
) -> None:
    await bot.send_message(CUSTOMER, "before")
    await peer.down()
    with pytest.raises(NetworkError):
        await bot.send_message(CUSTOMER, "meanwhile")
    await peer.up()
    await bot.send_message(CUSTOMER, "after")
    assert peer.texts(CUSTOMER) == ["before", "after"]


async def test_going_down_ends_a_waiting_poll(peer: TelegramPeer, bot: Bot) -> None:
    await bot.get_updates(offset=2000)

    async def poll() -> None:
        with pytest.raises(NetworkError):
            await bot.get_updates(offset=2000, timeout=30)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(poll())
        await peer.wait_for(lambda: len(peer.called("getUpdates")) == 2)
        await peer.down()


async def test_a_flooded_chat_is_closed_for_a_while_and_no_other(
    peer: TelegramPeer, bot: Bot
) -> None:
    now = 100.0
    peer.faults.clock = lambda: now
    peer.flood(CUSTOMER, 3)
    assert await refused(bot, CUSTOMER) == 3
    await bot.send_message(GROUP, "x")
    now = 102.5
    assert await refused(bot, CUSTOMER) == 1
    now = 103.0
    await bot.send_message(CUSTOMER, "x")


async def test_a_storm_refuses_so_many_calls(peer: TelegramPeer, bot: Bot) -> None:
    peer.storm(2, retry_after=5)
    assert await refused(bot, CUSTOMER) == 5
    assert await refused(bot, GROUP) == 5
    await bot.send_message(CUSTOMER, "x")


async def test_rates_are_limited_per_chat_per_group_and_per_bot(
    peer: TelegramPeer, bot: Bot
) -> None:
    now = 100.0
    peer.faults.clock = lambda: now
    peer.limit(RateLimits(chat_burst=2))
    for _ in range(2):
        await bot.send_message(CUSTOMER, "x")
    assert await refused(bot, CUSTOMER) == 1
    await bot.send_message(GROUP, "x")
    now = 101.0
    await bot.send_message(CUSTOMER, "x")
    peer.limit(RateLimits(chat_burst=100, chat_per_second=100, group_per_minute=20))
    now = 200.0
    for _ in range(20):
        await bot.send_message(GROUP, "x")
    assert await refused(bot, GROUP) == 3
    for _ in range(10):
        await bot.send_message(CUSTOMER, "x")
    assert await refused(bot, CUSTOMER) == 1
    await bot.send_chat_action(CUSTOMER, "typing")
    peer.limit(None)
    await bot.send_message(GROUP, "x")
