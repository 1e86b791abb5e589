"""A batch of answers over HTTP, from a unit of the model server in a process of its own."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import aiohttp

from benchmarks.inference_runs import WARM_STEPS
from config.engine import EngineSettings
from inference.serving.order import UnitOrder

ROOT = Path(__file__).parents[1]
ANSWERS = 16
TOKENS = 400
START_SECONDS = 120
Unit = subprocess.Popen[bytes]


def serve_batch(settings: EngineSettings, ends: Iterable[int]) -> tuple[float, int]:
    """Serve and ask: tokens a second of the batch, and tokens of each prompt."""
    with tempfile.TemporaryDirectory() as place:
        socket = Path(place) / "unit.sock"
        line = UnitOrder(name="bench", settings=settings, socket=socket).to_line()
        unit = subprocess.Popen(
            [sys.executable, "-m", "inference.serving.unit"], stdin=subprocess.PIPE, cwd=ROOT
        )
        assert unit.stdin is not None
        unit.stdin.write(line)
        unit.stdin.flush()
        try:
            return asyncio.run(_ask_twice(unit, socket, list(ends)))
        finally:
            unit.terminate()
            unit.wait(60)


async def _ask_twice(unit: Unit, socket: Path, ends: list[int]) -> tuple[float, int]:
    connector = aiohttp.UnixConnector(str(socket), limit=0)
    async with aiohttp.ClientSession("http://unit", connector=connector) as session:
        async with asyncio.timeout(START_SECONDS):
            await _wait_until_ready(session, unit)
        await _ask_all(session, ends, WARM_STEPS)
        begun = time.perf_counter()
        counts = await _ask_all(session, ends, TOKENS)
        seconds = time.perf_counter() - begun
    return sum(written for _, written in counts) / seconds, counts[0][0]


async def _wait_until_ready(session: aiohttp.ClientSession, unit: Unit) -> None:
    while unit.poll() is None:
        try:
            async with session.get("/health") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.2)
    raise RuntimeError(f"the unit ended with {unit.returncode}")


async def _ask_all(
    session: aiohttp.ClientSession, ends: list[int], tokens: int
) -> list[tuple[int, int]]:
    """Ask for a batch of streams at once; tokens of each prompt and answer."""
    asked = [_ask(session, ends, tokens, number) for number in range(ANSWERS)]
    return await asyncio.gather(*asked)


async def _ask(
    session: aiohttp.ClientSession, ends: list[int], tokens: int, number: int
) -> tuple[int, int]:
    body = {
        "model": "bench",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": tokens,
        "temperature": 0,
        "repetition_penalty": 1.0,
        "logit_bias": {str(token): -100 for token in ends},
        "messages": [{"role": "user", "content": f"{tokens} {number:03} " * 40}],
    }
    last = b""
    async with session.post("/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {"):
                last = line
    usage = json.loads(last.removeprefix(b"data: "))["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]
