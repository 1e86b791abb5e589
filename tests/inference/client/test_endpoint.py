"""Health by real use: when a failing endpoint is tried again, and by whom."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from peers.client import PROMPT, QUESTION, Clock, connect, prompt_for
from peers.model import DONE, ModelPeer, answer, answer_text, chunk, hang, status, stream

from inference.client.errors import ModelBusyError, ModelUnavailableError

ANSWER = answer_text(QUESTION)


async def test_a_failed_endpoint_is_left_alone_until_its_time(peer: ModelPeer) -> None:
    clock = Clock()
    peer.script(status(500))
    async with connect(peer, clock=clock) as client:
        for _ in range(3):
            with pytest.raises(ModelUnavailableError):
                await client.complete(PROMPT)
        assert len(peer.bodies) == 1
        clock.now += 30
        assert client.available
        assert await client.complete(PROMPT) == ANSWER
        assert client.endpoints[0].state == "up"
        assert client.endpoints[0].last_error is None


async def test_one_request_at_a_time_tries_a_failed_endpoint_again(peer: ModelPeer) -> None:
    clock, go_on = Clock(), asyncio.Event()
    peer.script(status(500), stream(go_on, chunk("好", finish="stop"), DONE))
    async with connect(peer, clock=clock) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
        clock.now += 30
        trial = asyncio.create_task(client.complete(PROMPT))
        await peer.until(lambda: len(peer.bodies) == 2)
        assert not client.available
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
        go_on.set()
        assert await trial == "好"
        assert await client.complete(PROMPT) == ANSWER


async def test_those_who_wait_elsewhere_come_when_a_failed_endpoint_answers_again(
    peer: ModelPeer, other: ModelPeer
) -> None:
    clock, go_on = Clock(), asyncio.Event()
    peer.script(status(500), stream(go_on, chunk("好"), end="hang"))
    other.script(answer(), hang(), hang())
    mine, theirs = prompt_for(peer, other), prompt_for(other, peer)
    async with connect(peer, other, clock=clock, endpoint={"concurrency": 2}) as client:
        assert await client.complete(mine) == ANSWER
        stuck = [asyncio.create_task(client.complete(theirs)) for _ in range(2)]
        await other.until(lambda: other.open == 2)
        clock.now += 30
        stuck.append(asyncio.create_task(client.complete(mine)))
        await peer.until(lambda: peer.open == 1)
        waits = asyncio.create_task(client.complete(theirs))
        await asyncio.sleep(0)
        assert client.endpoints[1].waiting == 1
        go_on.set()
        assert await waits == ANSWER
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_an_endpoint_that_refuses_a_prompt_is_up(peer: ModelPeer) -> None:
    clock = Clock()
    peer.script(status(500), status(400), status(400))
    async with connect(peer, clock=clock) as client:
        for state in ("down", "up"):
            with pytest.raises(ModelUnavailableError):
                await client.complete(PROMPT)
            assert client.endpoints[0].state == state
            clock.now += 30


async def test_a_cancelled_trial_leaves_it_to_the_next_request(peer: ModelPeer) -> None:
    clock = Clock()
    peer.script(status(500), hang())
    async with connect(peer, clock=clock) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
        clock.now += 30
        trial = asyncio.create_task(client.complete(PROMPT))
        await peer.until(lambda: len(peer.bodies) == 2)
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        assert await client.complete(PROMPT) == ANSWER


@pytest.mark.parametrize(
    ("code", "value", "seconds"),
    [
        (429, "7", (7, 7)),
        (503, "0.5", (0.5, 0.5)),
        (429, "86400", (120, 120)),
        (429, "soon", (0.5, 1)),
        (429, "-5", (0.5, 1)),
        (429, timedelta(seconds=90), (30, 90)),
        (429, timedelta(days=-1), (0, 0)),
        (404, "1", (120, 120)),
    ],
)
async def test_a_server_may_say_when_to_come_back(
    peer: ModelPeer, code: int, value: str | timedelta, seconds: tuple[float, float]
) -> None:
    if isinstance(value, timedelta):
        value = format_datetime(datetime.now(UTC) + value, usegmt=True)
    peer.script(status(code, {"Retry-After": value}))
    async with connect(peer) as client:
        with pytest.raises((ModelBusyError, ModelUnavailableError)):
            await client.complete(PROMPT)
        retry = client.endpoints[0].retry_seconds
        assert retry is not None
        assert seconds[0] <= retry <= seconds[1]
