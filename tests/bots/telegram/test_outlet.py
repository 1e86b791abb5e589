"""A message is written until Telegram takes it."""

import asyncio

import pytest

from bots.markdown.telegram import Entity, Piece
from bots.telegram.api import Place
from bots.telegram.errors import RefusedError
from bots.telegram.flood import Flood
from bots.telegram.outlet import PATIENCE_SECONDS, Outlet
from bots.telegram.state import State
from core.errors import PlatformAwayError

BROKEN = Piece("退😀货", (Entity("bold", 0, 2), Entity("text_link", 3, 1, "https://a.example/b")))


@pytest.fixture
def outlet(api, store, bot):
    bot.says(7, "好")
    return Outlet(api, Flood(30), State(store, bot.id), Place(7), asyncio.sleep)


async def test_refused_formats_are_left_out_and_no_character_is(outlet, telegram):
    await outlet.send(BROKEN)
    (message,) = telegram.messages(7)
    assert message.entities == []
    assert message.text.startswith("退😀货")
    assert "https://a.example/b" in message.text


async def test_an_edit_with_refused_formats_is_written_plain_too(outlet, telegram):
    number = await outlet.send(Piece("好"))
    assert await outlet.edit(number, BROKEN)
    assert telegram.texts(7)[0].startswith("退😀货")


async def test_an_edit_that_changes_nothing_is_done(outlet, telegram):
    number = await outlet.send(Piece("好"))
    assert await outlet.edit(number, Piece("好"))
    assert telegram.called("editMessageText")[0].status == 400


async def test_what_is_refused_for_another_reason_is_not_repeated(outlet, telegram):
    with pytest.raises(RefusedError):
        await outlet.send(Piece("好" * 5000))
    assert len(telegram.called("sendMessage")) == 1


async def test_a_storm_of_refusals_is_waited_out(outlet, telegram):
    telegram.storm(1, retry_after=1)
    await outlet.send(Piece("好"))
    first, second = telegram.called("sendMessage")
    assert second.at - first.at > 0.9


@pytest.mark.parametrize("trouble", [401, 502])
async def test_a_token_that_is_not_known_now_costs_no_attempt(
    outlet, telegram, monkeypatch, trouble
):
    monkeypatch.setattr("bots.telegram.outlet.PATIENCE_SECONDS", 0.2)
    telegram.fail("sendMessage", trouble, times=99)
    with pytest.raises(PlatformAwayError):
        await outlet.send(Piece("好"))


async def test_a_chat_that_is_closed_for_long_is_not_tried_again_at_once(api, store, bot, telegram):
    rests = []

    async def rest(seconds):
        rests.append(seconds)

    outlet = Outlet(api, Flood(30), State(store, bot.id), Place(7), rest)
    bot.says(7, "好")
    telegram.flood(7, 3600)
    for _ in range(2):
        with pytest.raises(PlatformAwayError):
            await outlet.send(Piece("好"))
    assert rests == [pytest.approx(PATIENCE_SECONDS, abs=1)] * 2
    assert len(telegram.called("sendMessage")) == 1


async def test_patience_ends(outlet, telegram, monkeypatch):
    monkeypatch.setattr("bots.telegram.outlet.PATIENCE_SECONDS", 0.2)
    telegram.fail("sendMessage", 502, times=99)
    with pytest.raises(PlatformAwayError):
        await outlet.send(Piece("好"))
    telegram.faults.scripted.clear()
    telegram.flood(7, 60)
    with pytest.raises(PlatformAwayError):
        await outlet.send(Piece("好"))
