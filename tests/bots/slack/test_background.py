"""Tasks nobody waits for: bounded, owned, and unable to harm what answers."""

import asyncio

import pytest

from bots.slack.api import AwayError
from bots.slack.background import MOST, open_background


@pytest.mark.parametrize("error", [AwayError("away"), KeyError("a bug")])
async def test_a_task_that_fails_harms_nobody(error):
    async def fail():
        raise error

    done = asyncio.Event()

    async def work():
        done.set()

    async with open_background() as tasks:
        tasks.start(fail())
        await asyncio.sleep(0)
        tasks.start(work())
        async with asyncio.timeout(30):
            await done.wait()


async def test_too_many_are_left_undone_and_the_rest_ends_with_the_account():
    begun = []

    async def work(number):
        begun.append(number)
        await asyncio.Event().wait()

    async with open_background() as tasks:
        for number in range(MOST + 1):
            tasks.start(work(number))
        await asyncio.sleep(0)
    assert begun == list(range(MOST))
