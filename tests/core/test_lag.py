"""New work waits while the event loop is behind."""

import asyncio
import time

import pytest

from core.lag import Lag
from core.tasks import beside


async def test_a_loop_that_keeps_up_holds_nobody_up():
    lag = Lag()
    async with beside(lag.watch()), asyncio.timeout(30):
        await asyncio.sleep(0.05)
        for _ in range(100):
            await lag.settle()


async def test_while_the_loop_is_behind_new_work_waits_and_then_goes_on():
    lag = Lag()
    async with beside(lag.watch()):
        await asyncio.sleep(0.02)
        time.sleep(0.05)  # noqa: ASYNC251 - what a crowd of turns does
        for _ in range(2):  # its timer is due in the first, and rings behind us
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await lag.settle()
        async with asyncio.timeout(30):
            await lag.settle()
