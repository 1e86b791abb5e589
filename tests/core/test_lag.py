"""New work waits while the event loop is behind."""

import asyncio
import time

import pytest

from core.lag import FRESH_SECONDS, Lag


def crowd(seconds):
    """What a crowd of turns does to the loop."""
    time.sleep(seconds)


async def test_a_loop_that_keeps_up_holds_nobody_up():
    lag = Lag()
    async with asyncio.timeout(30):
        for _ in range(100):
            await lag.settle()
    assert lag.keeps_up()


async def test_while_the_loop_is_behind_new_work_waits_and_then_goes_on():
    lag = Lag()
    settling = asyncio.ensure_future(lag.settle())
    asyncio.get_running_loop().call_soon(crowd, 0.05)
    for _ in range(2):
        await asyncio.sleep(0)
    assert not settling.done()
    async with asyncio.timeout(30):
        await settling


async def test_who_cannot_wait_is_told_of_the_last_time_it_was_behind_but_not_for_long():
    lag = Lag()
    assert lag.keeps_up()
    asyncio.get_running_loop().call_soon(crowd, 0.05)
    assert lag.keeps_up()  # nobody knows yet
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not lag.keeps_up()
    await asyncio.sleep(2 * FRESH_SECONDS)
    assert lag.keeps_up()


@pytest.mark.parametrize("seconds", [0.0, 0.002])
async def test_ordinary_work_is_not_being_behind(seconds):
    lag = Lag()
    asyncio.get_running_loop().call_soon(crowd, seconds)
    lag.keeps_up()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert lag.keeps_up()
