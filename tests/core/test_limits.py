"""Token buckets in a real Redis."""

import asyncio

from core.limits import Limiter

NAME = "0" * 24


async def test_a_burst_passes_and_then_the_rate_holds(store):
    limiter = Limiter(store, 4)
    waits = [await limiter.wait_seconds(NAME, 6, 3) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert 5 < waits[3] <= 10


async def test_tokens_come_back_with_time(store):
    limiter = Limiter(store, 4)
    assert await limiter.wait_seconds(NAME, 600, 1) == 0
    wait = await limiter.wait_seconds(NAME, 600, 1)
    await asyncio.sleep(wait)
    assert await limiter.wait_seconds(NAME, 600, 1) == 0


async def test_names_do_not_share_a_bucket(store):
    limiter = Limiter(store, 4)
    await limiter.wait_seconds(NAME, 1, 1)
    assert await limiter.wait_seconds("1" * 24, 1, 1) == 0
