"""Work beside work."""

import asyncio
import gc
import weakref

import pytest

from core.tasks import Aside, beside, cancel_all, honour_cancellation


async def test_work_ends_with_the_body():
    async with beside(asyncio.sleep(60)) as task:
        assert not task.done()
    assert task.cancelled()


async def test_an_error_of_the_body_comes_out_as_itself():
    with pytest.raises(ValueError, match="mine"):
        async with beside(asyncio.sleep(60)):
            raise ValueError("mine")


async def test_an_error_of_the_work_ends_the_body_and_comes_out_as_itself():
    async def breaks() -> None:
        raise ValueError("theirs")

    with pytest.raises(ValueError, match="theirs"):
        async with beside(breaks()):
            await asyncio.sleep(60)


async def test_cancelling_from_outside_passes_through():
    async def body() -> None:
        async with beside(asyncio.sleep(60)):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(body())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_at_hand_begins_once_when_it_is_wanted_and_ends_with_the_body():
    begun = []

    async def work() -> None:
        begun.append(True)
        await asyncio.sleep(60)

    async with Aside(work) as later:
        await asyncio.sleep(0.01)
        assert not begun
        later.begin()
        later.begin()
        await asyncio.sleep(0.01)
        assert begun == [True]
        task = later.task
    assert task.cancelled()


async def test_work_that_is_not_wanted_any_more_never_begins():
    async with Aside(lambda: pytest.fail("begun")) as later:
        later.end()
        later.begin()
    later.begin()
    assert later.task is None


@pytest.mark.parametrize("is_begun", [False, True])
async def test_who_has_work_at_hand_leaves_nothing_to_the_garbage_collector(is_begun):
    class Writer:
        def __init__(self) -> None:
            self.later = Aside(self.work)

        async def work(self) -> None:
            await asyncio.sleep(60)

    async def body() -> "weakref.ref[Writer]":
        writer = Writer()
        async with writer.later:
            if is_begun:
                writer.later.begin()
                await asyncio.sleep(0.01)
        return weakref.ref(writer)

    gc.collect()
    gc.disable()
    try:
        assert (await asyncio.ensure_future(body()))() is None
    finally:
        gc.enable()


async def test_an_error_of_work_at_hand_ends_the_body_and_comes_out_as_itself():
    async def breaks() -> None:
        raise ValueError("theirs")

    async def body() -> None:
        async with Aside(breaks) as later:
            later.begin()
            await asyncio.sleep(60)

    with pytest.raises(ValueError, match="theirs"):
        await body()


async def test_a_swallowed_cancellation_is_raised_again():
    async def swallows() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            honour_cancellation()

    task = asyncio.ensure_future(swallows())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    honour_cancellation()  # nobody cancelled this one


async def test_work_that_swallows_a_cancellation_is_cancelled_again():
    async def swallows() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    tasks = [asyncio.ensure_future(swallows()) for _ in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await cancel_all(tasks)
    assert all(task.cancelled() for task in tasks)
