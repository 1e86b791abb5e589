"""An attempt dies at any moment of a reply; the next one finishes it, and nothing stands twice."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from staff import has_thumbs

from bots.slack.account import open_slack
from bots.slack.channel import SlackChannel
from config.settings import InboxSettings, SlackSettings
from core.errors import LeaseLostError, PlatformAwayError
from core.feedback import Feedback
from core.inbox import Inbox
from core.messages import Address, Message
from core.metrics import Metrics
from core.personas import Personas
from core.replies import Delta, Done, Origin, Outcome, Reply, ReplyEvent, Source
from core.turn import Turn

LONG = "\n\n".join(f"第{n}段，" + "退货" * 400 for n in range(40))


class KilledError(Exception):
    """The process is gone."""


class Record:
    """A delivery record whose worker dies at the given step."""

    def __init__(self, reply_id: str, dies_at: int = 10**9) -> None:
        self.reply_id = reply_id
        self.sent = 0
        self.surface = ""
        self.dies_at = dies_at
        self.steps = 0
        self.waited = 0.0

    async def pause(self, seconds: float) -> None:
        self.waited += seconds
        await asyncio.sleep(0)

    async def opened(self, surface: str) -> None:
        self.step()
        self.surface = surface

    async def write(self, effects) -> list:
        return []

    async def delivered(self, parts: int, effects=()) -> None:
        self.step()
        self.sent = parts

    def step(self) -> None:
        """Die before it is written down."""
        self.steps += 1
        if self.steps == self.dies_at:
            raise KilledError


@pytest.fixture
async def channel(peer, bot, store, tmp_path) -> AsyncGenerator[SlackChannel, None]:
    settings = SlackSettings(bot_token=bot.token, signing_secret="s" * 8, api_base=peer.base)
    metrics = Metrics()
    parts = {
        "store": store,
        "inbox": Inbox(store, InboxSettings(), 2),
        "feedback": Feedback(store, 2, metrics),
        "personas": Personas(Path(tmp_path), Path(tmp_path)),
        "metrics": metrics,
    }
    async with open_slack(settings, **parts, state=_state) as account:
        yield account.channel


async def _state():
    return True, {}


def turn_in(channel: str, thread: str, ts: str, user: str = "U1") -> Turn:
    address = Address("slack", "main", f"T1/UBOT/{channel}", "", thread)
    envelope = {"channel": channel, "thread": thread, "user": user, "team": "T1"}
    return Turn((Message(f"{channel}/{ts}", address, "怎么退货", 0.0, envelope=envelope),))


def reply_of(text: str) -> Reply:
    sources = (Source("退货", "faq.zh.yaml"),)
    return Reply(text, Outcome.ANSWERED, Origin.MODEL, "zh", "shop", "1", sources)


async def events_of(*events: ReplyEvent) -> AsyncGenerator[ReplyEvent, None]:
    for event in events:
        yield event


@pytest.mark.parametrize("dies_at", range(1, 10))
@pytest.mark.parametrize("thread", [True, False])
async def test_a_killed_attempt_is_finished_by_the_next(peer, bot, channel, dies_at, thread):
    asked = peer.write("怎么退货", "C1" if thread else None)
    turn = turn_in(asked["channel"], asked["ts"] if thread else "", asked["ts"])
    record = Record(turn.id, dies_at)
    reply = reply_of(LONG)
    try:
        await _reply(channel, turn, record, Delta(LONG[:300]), Delta(LONG[300:]), Done(reply))
    except KilledError:
        record.dies_at = 10**9
        await _reply(channel, turn, record, Done(reply))
    messages = peer.messages(asked["channel"])
    parts = [message.metadata["event_payload"]["part"] for message in messages]
    assert sorted(parts) == [0, 1, 2, 3]
    shown = "".join(message.shown for message in sorted(messages, key=_part))
    assert [shown.count(f"第{n}段，") for n in range(40)] == [1] * 40
    assert not any(stream.open for stream in peer.streams)
    assert has_thumbs(max(messages, key=_part))


@pytest.mark.parametrize("moment", [0.0, 0.1])
async def test_a_worker_that_lost_its_lease_leaves_no_stream_open(peer, bot, channel, moment):
    asked = peer.write("怎么退货", "C1")
    turn = turn_in("C1", asked["ts"], asked["ts"])

    async def broken():
        yield Delta("您好")
        await peer.wait_for(lambda: peer.streams)
        await asyncio.sleep(moment)
        raise LeaseLostError

    record = Record(turn.id)
    with pytest.raises(LeaseLostError):
        async with aclosing(broken()) as events:
            await channel.reply(turn, events, record)
    assert record.surface
    assert [stream.open for stream in peer.streams] == [False]
    await _reply(channel, turn, record, Done(reply_of("您好，七天内可以退。")))
    (message,) = peer.messages("C1")
    assert message.shown.startswith("您好，七天内可以退。")


async def test_what_may_have_left_waits_until_it_can_be_looked_for(peer, channel):
    turn, record = _asked(peer)
    peer.lose("chat.postMessage")
    peer.fail("conversations.history", status=503, times=6)
    with pytest.raises(PlatformAwayError):
        await _reply(channel, turn, record, Done(reply_of("七天内可以退。")))
    assert len(peer.messages()) == 1
    await _reply(channel, turn, record, Done(reply_of("七天内可以退。")))
    assert len(peer.messages()) == 1
    assert has_thumbs(peer.messages()[0])


@pytest.mark.parametrize("fault", [{"status": 503}, {"error": "token_revoked"}])
async def test_a_slack_that_takes_nothing_costs_no_attempt_and_is_left_in_peace(
    peer, channel, fault
):
    turn, record = _asked(peer)
    peer.fail("chat.postMessage", times=3, **fault)
    with pytest.raises(PlatformAwayError):
        await _reply(channel, turn, record, Done(reply_of("七天内可以退。")))
    assert record.waited >= 2
    peer.up()
    await _reply(channel, turn, record, Done(reply_of("七天内可以退。")))
    assert len(peer.messages()) == 1


async def test_a_message_is_found_behind_many_others(peer, channel):
    asked = peer.write("怎么退货", "C1")
    for number in range(250):
        peer.write(f"{number}", "C1", thread_ts=asked["ts"])
    turn = turn_in("C1", asked["ts"], asked["ts"])
    peer.lose("chat.postMessage")
    await _reply(channel, turn, Record(turn.id), Done(reply_of("七天内可以退。")))
    assert len(peer.messages()) == 1


@pytest.mark.parametrize("thread", [True, False])
async def test_what_is_about_to_leave_is_recorded_while_the_model_thinks(peer, channel, thread):
    asked = peer.write("怎么退货", "C1")
    turn = turn_in("C1", asked["ts"] if thread else "", asked["ts"])
    record = Record(turn.id)

    async def thinking():
        async with asyncio.timeout(30):
            while not record.surface:
                await asyncio.sleep(0.001)
        yield Done(reply_of("七天内可以退。"))

    async with aclosing(thinking()) as events:
        await channel.reply(turn, events, record)
    assert record.surface == "sending/0"
    assert record.steps == 2


def _asked(peer) -> tuple[Turn, Record]:
    asked = peer.write("怎么退货")
    turn = turn_in(asked["channel"], "", asked["ts"])
    return turn, Record(turn.id)


async def _reply(channel: SlackChannel, turn: Turn, record: Record, *events: ReplyEvent) -> None:
    async with aclosing(events_of(*events)) as given:
        await channel.reply(turn, given, record)


def _part(message) -> int:
    return message.metadata["event_payload"]["part"]
