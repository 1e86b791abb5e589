import asyncio
from collections.abc import Sequence

import pytest

from inference.jobs.job import Ended, Event, Job, Piece
from inference.jobs.stream import AT_ONCE, JobStream, Sink


def pieces(count: int) -> list[Piece]:
    return [Piece("a", str(number), 1) for number in range(count)]


def tell(stream: JobStream, event: Event) -> None:
    stream.put(event)
    stream.flush()


def stream_of(*events: Piece | Ended) -> JobStream:
    stream = JobStream(Job("a", [1], 1))
    for event in events:
        tell(stream, event)
    return stream


async def test_what_came_while_the_reader_was_busy_is_read_together_and_in_order():
    came = pieces(5)
    assert await stream_of(*came).read() == came


async def test_no_more_is_read_together_than_can_be_written_down_at_once():
    came = [*pieces(AT_ONCE + 1), Ended("a", "stop")]
    stream = stream_of(*came)
    first = await stream.read()
    assert not stream.is_complete
    assert [*first, *await stream.read()] == came
    assert len(first) == AT_ONCE
    assert stream.is_complete


async def test_a_reader_waits_for_the_next_event():
    stream = stream_of()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(stream.read())
        await asyncio.sleep(0)
        assert not reading.done()
        tell(stream, Piece("a", "x", 1))
    assert reading.result() == [Piece("a", "x", 1)]


async def test_a_failure_is_met_after_what_came_before_it():
    stream = stream_of(Piece("a", "x", 1))
    stream.fail(ValueError("broken"))
    assert await stream.read() == [Piece("a", "x", 1)]
    with pytest.raises(ValueError, match="broken"):
        await stream.read()


async def test_a_reader_that_waits_meets_a_failure_at_once():
    stream = stream_of()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_caught(stream))
        await asyncio.sleep(0)
        stream.fail(ValueError("broken"))
    assert reading.result() == "broken"


async def test_a_reader_that_gave_up_harms_nobody():
    stream = stream_of()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.read()
    tell(stream, Piece("a", "x", 1))
    assert await stream.read() == [Piece("a", "x", 1)]


async def _caught(stream: JobStream) -> str:
    try:
        await stream.read()
    except ValueError as error:
        return str(error)
    return ""


async def poured(stream: JobStream, sink: Sink) -> asyncio.Task[None]:
    task = asyncio.create_task(stream.pour(sink))
    await asyncio.sleep(0)
    return task


async def test_a_sink_is_handed_each_event_at_once_until_the_last():
    stream, handed = stream_of(), list[Event]()
    pouring = await poured(stream, lambda events: handed.extend(events) or True)
    came = [Piece("a", "x", 1), Ended("a", "stop")]
    tell(stream, came[0])
    assert handed == came[:1]
    tell(stream, came[1])
    assert handed == came
    await pouring
    assert stream.is_complete


async def test_what_a_full_sink_does_not_get_is_read():
    stream = stream_of()
    pouring = await poured(stream, lambda events: False)
    tell(stream, Piece("a", "x", 1))
    tell(stream, Piece("a", "y", 1))
    await pouring
    assert await stream.read() == [Piece("a", "y", 1)]


async def test_what_came_before_is_not_poured_past():
    stream = stream_of(Piece("a", "x", 1))
    await stream.pour(lambda events: pytest.fail("out of order"))
    assert await stream.read() == [Piece("a", "x", 1)]


@pytest.mark.parametrize("where", ["sink", "engine"])
async def test_whoever_pours_meets_the_failure_of_the_sink_and_of_the_engine(where):
    stream = stream_of()

    def sink(events: Sequence[Event]) -> bool:
        raise ValueError("broken")

    pouring = await poured(stream, sink)
    if where == "sink":
        tell(stream, Piece("a", "x", 1))
    else:
        stream.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await pouring
    tell(stream, Piece("a", "x", 1))  # goes nowhere, and harms nobody


async def test_an_end_that_was_poured_is_no_failure_when_the_engine_breaks_after_it():
    stream = stream_of()
    pouring = await poured(stream, lambda events: True)
    tell(stream, Ended("a", "stop"))
    stream.fail(ValueError("broken"))
    await pouring


async def test_nothing_is_told_after_what_a_failing_sink_lost():
    stream = stream_of()

    def sink(events) -> bool:
        raise ValueError("broken")

    pouring = await poured(stream, sink)
    tell(stream, Piece("a", "x", 1))
    tell(stream, Piece("a", "y", 1))  # in the moment before whoever pours hears of it
    with pytest.raises(ValueError, match="broken"):
        await pouring
    with pytest.raises(ValueError, match="broken"):
        await stream.read()


async def test_an_engine_that_was_given_up_and_wakes_up_says_nothing_more():
    stream = stream_of(Piece("a", "x", 1))
    stream.fail(ValueError("hung"))
    tell(stream, Piece("a", "y", 1))
    assert await stream.read() == [Piece("a", "x", 1)]
    with pytest.raises(ValueError, match="hung"):
        await stream.read()
