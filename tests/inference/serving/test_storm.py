"""Many callers at once who leave when they like, faults in between: nothing is lost or left."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import aiohttp
from peers.engine import ANSWER, ScriptedEngine, facts
from peers.serving import QUESTION, Serving, open_serving

from inference.jobs.engine import OutOfMemoryError

CALLERS = 120


async def call(serving: Serving, number: int, patience: int | None) -> str:
    """Ask, and leave after so many lines; what became of it."""
    body = {"messages": QUESTION, "stream": True, "user": str(number % 7)}
    body["max_tokens"] = random.Random(number).choice([3, 200, 900])
    async with await serving.post("/v1/chat/completions", body) as response:
        if response.status != 200:
            return str((await response.json())["error"]["code"])
        text = ""
        async for line in response.content:
            text += line.decode()
            if patience is not None:
                patience -= 1
                if patience <= 0:
                    return "left"
    return "done" if text.endswith("data: [DONE]\n\n") else "cut"


async def hurried(serving: Serving, number: int) -> str:
    dice = random.Random(number)
    patience = dice.choice([None, None, 1, 5])
    seconds = dice.choice([5.0, 5.0, 5.0, 0.01, 0.05])
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(seconds):
            return await call(serving, number, patience)
    return "gone"


async def test_after_a_storm_of_callers_nothing_is_left():
    # Fewer tokens than the callers want together, so that room is waited for, too.
    engine = ScriptedEngine(step_seconds=0.0005, facts=facts(pool_tokens=4096, batch=6))
    async with open_serving(engine, queue=40, prefills=2) as serving:
        async with asyncio.TaskGroup() as tasks:
            asked = []
            for number in range(CALLERS):
                asked.append(tasks.create_task(hurried(serving, number)))
                if number % 30 == 29:
                    engine.faults.append(OutOfMemoryError())
                await asyncio.sleep(0.002)
        became = Counter(task.result() for task in asked)
        async with asyncio.timeout(5):
            while serving.server.has_requests or serving.server.health.running:
                await asyncio.sleep(0.001)
        assert serving.server.health.waiting == 0
        assert engine.running == {}
        assert engine.recoveries >= 1
        assert became["done"] >= 10
        assert set(became) <= {"done", "left", "gone", "queue_full", "out_of_memory", "cut"}
        async with serving.http.get(f"{serving.url}/metrics") as response:
            assert "xiaoq_model_pool_free_tokens 4096.0" in await response.text()
        assert await serving.ask() == ANSWER
