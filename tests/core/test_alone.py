"""The lease of the one holder, on a real Redis."""

import asyncio

import pytest

from core.alone import HolderLostError, alone


async def test_only_one_holds_at_a_time_and_the_next_follows(store):
    held: list[str] = []
    first_in, first_out = asyncio.Event(), asyncio.Event()

    async def hold(name: str) -> None:
        async with alone(store, "poller", 1):
            held.append(name)
            first_in.set()
            await first_out.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold("one"))
        await first_in.wait()
        group.create_task(hold("two"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5), alone(store, "poller", 1):
                raise AssertionError("two hold it")
        assert held == ["one"]
        first_out.set()
    assert held == ["one", "two"]


async def test_a_holder_that_died_is_relieved(store):
    await store.set("xq:alone:poller", "somebody dead", px=300)
    async with asyncio.timeout(30), alone(store, "poller", 1):
        assert await store.get("xq:alone:poller") != "somebody dead"


async def test_a_holder_who_lost_it_is_told(store):
    async def hold() -> None:
        async with alone(store, "poller", 0.6):
            await store.set("xq:alone:poller", "another", px=10_000)
            await asyncio.Event().wait()

    with pytest.raises(HolderLostError):
        async with asyncio.timeout(30):
            await hold()
    assert await store.get("xq:alone:poller") == "another"
