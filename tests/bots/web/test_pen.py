"""The writing of one answer into its conversation's stream, on a real Redis."""

import asyncio

import pytest

from bots.web import pen as pens
from bots.web.events import stop_key, stream_key
from bots.web.pen import Pen
from core.errors import LeaseLostError, StoppedError
from core.messages import Address, Message
from core.redis import Partition, run_effects
from core.replies import Delta, Origin, Outcome, Reply
from core.turn import Turn

PARTITION = Partition(0)
ADDRESS = Address("web", "main", "ann", "ann")
KEY = stream_key(PARTITION, ADDRESS.key)
REPLY = Reply("好", Outcome.ANSWERED, Origin.MODEL, "zh", "shop", "v1")


class Delivery:
    """Writes at once, under no lease."""

    reply_id = "ann/q1"
    sent = 0
    surface = ""

    def __init__(self, store):
        self._store = store
        self.writes = 0

    async def write(self, effects):
        said = await run_effects(self._store, effects)
        self.writes += 1
        return said

    async def delivered(self, parts, effects=()):
        await run_effects(self._store, effects)
        self.sent = parts


@pytest.fixture
def delivery(store):
    return Delivery(store)


@pytest.fixture
def pen(delivery):
    return Pen(PARTITION, Turn((Message("ann/q1", ADDRESS, "讲个故事", 0.0),)), delivery, 1)


async def kinds(store):
    return [fields["event"].split('"')[3] for _, fields in await store.xrange(KEY)]


async def test_nothing_is_left_of_the_longest_answer_but_its_place_and_its_end(
    store, pen, delivery, monkeypatch
):
    monkeypatch.setattr(pens, "FOLD_SECONDS", 0)
    async with asyncio.timeout(100), pen.at_hand:
        for number in range(8100):
            await pen.note(Delta("好"))
            while delivery.writes <= number:
                await asyncio.sleep(0)
        await pen.finish(REPLY)
    left = await kinds(store)
    assert set(left) == {"start", "done"} or left == ["done"]


async def test_an_answer_that_comes_at_once_is_its_place_and_its_end(store, pen, monkeypatch):
    monkeypatch.setattr(pens, "THINKING_SECONDS", 0.02)
    async with pen.at_hand:
        await pen.finish(REPLY)
        pen.wake()
        await asyncio.sleep(0.1)
    pen.wake()
    await asyncio.sleep(0.1)
    assert await kinds(store) == ["start", "done"]


async def test_words_are_waited_for_with_a_word(store, pen, monkeypatch):
    monkeypatch.setattr(pens, "THINKING_SECONDS", 0.02)
    async with asyncio.timeout(20), pen.at_hand:
        while await kinds(store) != ["thinking"]:
            await asyncio.sleep(0.01)
        await pen.note(Delta("好"))
        assert await kinds(store) == ["thinking", "start", "delta"]


async def test_a_stop_before_the_first_word_is_heeded_as_soon_as_it_is_heard_of(
    store, pen, monkeypatch
):
    monkeypatch.setattr(pens, "THINKING_SECONDS", 60)
    stopped = asyncio.Event()
    pen.interrupt = stopped.set
    await store.set(stop_key(PARTITION, ADDRESS.key), "q1")
    async with asyncio.timeout(20), pen.at_hand:
        pen.wake()
        await stopped.wait()
        with pytest.raises(StoppedError):
            pen.heed_stop()


async def test_a_write_that_fails_beside_the_answer_ends_it_with_its_own_error(
    pen, delivery, monkeypatch
):
    monkeypatch.setattr(pens, "THINKING_SECONDS", 60)

    async def fail(_effects):
        raise LeaseLostError

    async def answer():
        async with asyncio.timeout(20), pen.at_hand:
            await pen.note(Delta("一"))
            delivery.write = fail
            await pen.note(Delta("二"))
            await asyncio.Event().wait()

    with pytest.raises(LeaseLostError):
        await answer()
