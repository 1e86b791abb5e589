"""Session memory in a real Redis."""

import asyncio

import pytest

from config.settings import MemorySettings
from core.enclosures import Document
from core.memory import Exchange, History, Memory
from core.messages import Address
from core.redis import run_effects

ANN = Address("web", "main", "ann", "ann")
BOB = Address("web", "main", "bob", "bob")
SETTINGS = MemorySettings(tokens=400, summary_seconds=0.3)


def exchange(number: int, tokens: int = 100) -> Exchange:
    return Exchange(f"q{number}", f"a{number}", 1.0, "zh", "v1", tokens)


@pytest.fixture
def memory(store):
    return Memory(store, SETTINGS, 4)


async def cut(_summary, _exchanges) -> str:
    return ""


async def test_what_was_said_is_remembered_in_order_and_for_its_customer_only(store, memory):
    for number in range(3):
        await run_effects(store, memory.remember(ANN, exchange(number), 24))
    history = await memory.load(ANN.key)
    assert [e.question for e in history.exchanges] == ["q0", "q1", "q2"]
    assert history.tokens == 300
    assert await memory.load(BOB.key) == History()


async def test_a_conversation_is_forgotten_after_its_idle_time(store, memory):
    await run_effects(store, memory.remember(ANN, exchange(1), 0.0001))
    await asyncio.sleep(0.5)
    assert await memory.load(ANN.key) == History()


async def test_starting_afresh_forgets(store, memory):
    await run_effects(store, memory.remember(ANN, exchange(1), 24))
    await run_effects(store, memory.forget(ANN))
    assert await memory.load(ANN.key) == History()


async def test_over_the_budget_the_oldest_half_becomes_a_summary(store, memory):
    history = History(exchanges=tuple(exchange(n) for n in range(5)))
    assert memory.over_budget(history.tokens)

    async def summarise(before, exchanges):
        assert before == ""
        return "sum of " + ",".join(e.question for e in exchanges)

    await run_effects(store, await memory.fold(ANN, history, summarise, 24))
    folded = await memory.load(ANN.key)
    assert folded.summary == "sum of q0,q1,q2"
    assert [e.question for e in folded.exchanges] == ["q3", "q4"]
    assert folded.tokens <= SETTINGS.tokens * 0.75


async def test_without_a_summary_the_oldest_half_is_cut_and_an_earlier_summary_stays(store, memory):
    history = History("before", 5, tuple(exchange(n) for n in range(5)))
    await run_effects(store, await memory.fold(ANN, history, cut, 24))
    folded = await memory.load(ANN.key)
    assert folded.summary == "before"
    assert [e.question for e in folded.exchanges] == ["q3", "q4"]


async def test_a_summary_that_takes_too_long_is_given_up(store, memory):
    async def slow(_before, _exchanges):
        await asyncio.sleep(60)
        return "too late"

    history = History(exchanges=tuple(exchange(n) for n in range(5)))
    await run_effects(store, await memory.fold(ANN, history, slow, 24))
    assert (await memory.load(ANN.key)).summary == ""


async def test_an_exchange_longer_than_the_budget_leaves_nothing_behind(store, memory):
    history = History(exchanges=(exchange(1, 5000),))
    await run_effects(store, await memory.fold(ANN, history, cut, 24))
    assert await memory.load(ANN.key) == History()


async def test_a_summary_that_is_too_long_itself_is_cut(store, memory):
    async def endless(_before, _exchanges):
        return "字" * 5000

    history = History(exchanges=tuple(exchange(n) for n in range(5)))
    await run_effects(store, await memory.fold(ANN, history, endless, 24))
    assert not memory.over_budget((await memory.load(ANN.key)).tokens + 50)


@pytest.mark.parametrize("broken", ["no json", "[1]", '{"answer": "without a question"}'])
async def test_a_memory_that_cannot_be_read_counts_as_forgotten(store, memory, broken):
    (push, _) = memory.remember(ANN, exchange(1), 24)
    await store.rpush(push[1], broken)
    assert await memory.load(ANN.key) == History()


async def test_an_exchange_is_taken_back_only_where_the_same_was_asked(store, memory):
    history = History(exchanges=(exchange(1), exchange(2)))
    assert [each.question for each in history.before("q2").exchanges] == ["q1"]
    assert history.before("q1") is history
    assert History().before("q1") == History()
    for number in (1, 2):
        await run_effects(store, memory.remember(ANN, exchange(number), 24))
    await run_effects(store, memory.take_back(ANN))
    assert [each.question for each in (await memory.load(ANN.key)).exchanges] == ["q1"]


async def test_files_are_kept_with_the_memory_the_newest_first_and_no_more_than_fit(store, memory):
    old, new = Document("old", "x" * 3000), Document("new", "y" * 6000)
    assert memory.keep(ANN, (), 24) == []
    await run_effects(store, memory.keep(ANN, (new, new, old), 24))
    raw, documents = await run_effects(store, memory.read(ANN.key))
    assert memory.history(ANN.key, raw, documents).documents == (new,)
    await run_effects(store, memory.forget(ANN))
    raw, documents = await run_effects(store, memory.read(ANN.key))
    assert memory.history(ANN.key, raw, documents) == History()
