"""The whole way on real parts: people in Slack, slack-bolt, Redis, workers, knowledge, a model."""

import asyncio
import logging

import pytest
from staff import answer_in

from bots.house import Role
from config.errors import ConfigError

ANSWER = "七天内可以退货"


async def test_a_direct_message_is_answered(office, peer, bot):
    async with office.open(bot):
        delivery = await peer.message("怎么退货")
        assert delivery.acked
        answer = await answer_in(peer, delivery.channel)
    assert ANSWER in answer.shown
    assert answer.thread_ts is None
    assert "来源: 退货" in answer.shown


async def test_without_room_slack_keeps_the_message(office, peer, bot):
    async with office.open(bot) as house:
        for number in (0, 1):
            await house.store.set(f"xq:{{{number}}}:backlog", 10**9)
        delivery = await peer.message("怎么退货")
        assert {attempt.status for attempt in delivery.tries} == {503}
        assert len(delivery.tries) == 4


async def test_an_account_may_be_answered_by_another_machine(office, peer, bot):
    async with office.open(bot, role=Role.GATEWAY), office.open(bot, role=Role.WORKER):
        await peer.message("怎么退货")
        await peer.mention("怎么退货", "C1")
        await peer.command("/xiaoq", "怎么退货", "C1")
        answers = [await answer_in(peer, channel) for channel in (peer.dm("U1"), "C1")]
        await peer.wait_for(lambda: len(peer.ephemerals) == 2)
    assert all(ANSWER in answer.shown for answer in [*answers, peer.ephemerals[1]])


@pytest.mark.parametrize("sockets", [False, True])
async def test_nothing_that_is_said_and_no_token_is_logged(
    office, peer, bot, caplog, capfd, sockets
):
    with caplog.at_level(logging.DEBUG):
        async with office.open(bot, sockets=sockets):
            await peer.mention("private-words <@U2>")
            await peer.command("/xiaoq", "private-words")
            await peer.event({"type": "odd", "text": "private-words"})
            await answer_in(peer)
    seen = caplog.text + "".join(capfd.readouterr())
    assert "turn ended" in seen
    for secret in ("private-words", bot.token, bot.app_token, bot.signing_secret, "ticket"):
        assert secret not in seen


@pytest.mark.parametrize(
    ("sockets", "method", "named"),
    [
        (False, "auth.test", "XIAOQ_SLACK__BOT_TOKEN"),
        (True, "apps.connections.open", "XIAOQ_SLACK__APP_TOKEN"),
    ],
)
async def test_a_refused_token_stops_the_start_with_its_setting(
    office, peer, bot, sockets, method, named
):
    peer.fail(method, error="invalid_auth")
    with pytest.raises(ConfigError, match=named) as caught:
        async with office.open(bot, sockets=sockets):
            pass
    assert "xoxb-1" not in str(caught.value)
    assert "xapp-1" not in str(caught.value)


async def test_the_second_account_names_itself(office, peer, bot):
    second = peer.bot(token="xoxb-wrong", signing_secret="s2", user="UBOT2", bot_id="B2")
    peer.bots.remove(second)
    with pytest.raises(ConfigError, match='account "second"'):
        async with office.open(bot, second):
            pass


async def test_a_slack_that_is_away_at_the_start_is_waited_for(office, peer, bot):
    peer.down(503)
    async with office.open(bot):
        first = await peer.message("怎么退货")
        assert first.tries[-1].status == 503
        peer.up()
        async with asyncio.timeout(8):
            while not (await peer.deliver(bot, "events_api", first.payload)).acked:
                await asyncio.sleep(0.05)
        await answer_in(peer)
