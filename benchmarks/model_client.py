"""CPU of the model client per answer, beside a bare aiohttp read and the official openai client.

    python -m benchmarks.model_client [--answers 700] [--tokens 40]

The peer (`tests/peers/model.py`) runs in a process of its own. Two streams are read: one whose
chunks are sent at once, so that several arrive together, and one with a pause before each chunk, so
that each arrives alone. All three readers take the same stream in turn in the same run; CPU is that
of this process, the median of the rounds.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import aiohttp
import openai
import uvloop

from config.settings import InferenceSettings
from inference.client.chat import ChatTurn, Chunk, Prompt
from inference.client.completion import request_body
from inference.client.model_client import open_client

PEER = Path(__file__).parents[1] / "tests" / "peers" / "model.py"
QUESTION = "请问我昨天下单的耳机什么时候能送到？"
PROMPT = Prompt((ChatTurn("system", "你是客服小Q。" * 100), ChatTurn("user", QUESTION)), "customer")
AT_A_TIME = 8
ROUNDS = 7

Read = Callable[[], Awaitable[int]]


class Cost(NamedTuple):
    """Seconds of CPU for an answer, and reads or chunks it came in."""

    cpu: float
    pieces: float


@asynccontextmanager
async def open_server(tokens: int, delay_ms: float) -> AsyncIterator[str]:
    """Start the peer as a process and yield its URL."""
    options = ["--tokens", str(tokens), "--delay-ms", str(delay_ms)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PEER), *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["url"]
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def open_readers(url: str) -> AsyncIterator[dict[str, Read]]:
    """Open the three clients; a reader reads one answer and says in how many pieces it came."""
    settings = InferenceSettings.model_validate(
        {"endpoints": [{"url": url, "model": "peer", "concurrency": AT_A_TIME}]}
    )
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        client = await stack.enter_async_context(open_client(settings))
        rival = await stack.enter_async_context(
            openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        )
        body = request_body("peer", PROMPT, optional_fields=True)

        async def bare() -> int:
            headers = {"Content-Type": "application/json"}
            async with http.post(f"{url}/chat/completions", data=body, headers=headers) as answer:
                return sum([1 async for _ in answer.content.iter_any()])

        async def ours() -> int:
            return sum([isinstance(event, Chunk) async for event in client.stream(PROMPT)])

        async def theirs() -> int:
            stream = await rival.chat.completions.create(
                model="peer",
                messages=[{"role": "user", "content": turn.text} for turn in PROMPT.turns],
                max_tokens=PROMPT.max_tokens,
                temperature=PROMPT.temperature,
                top_p=PROMPT.top_p,
                stream=True,
                stream_options={"include_usage": True},
            )
            return sum([bool(part.choices) async for part in stream])

        yield {"bare aiohttp": bare, "xiaoq": ours, "openai": theirs}


async def measure(read: Read, answers: int) -> Cost:
    """Read so many answers, some at a time."""
    left = iter(range(answers))
    pieces = 0

    async def work() -> None:
        nonlocal pieces
        for _ in left:
            came = await read()
            pieces += came

    begun = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_A_TIME):
            tasks.create_task(work())
    return Cost((time.process_time() - begun) / answers, pieces / answers)


async def compare(tokens: int, delay_ms: float, answers: int) -> None:
    """Measure the three readers on one stream and print a row for each."""
    async with open_server(tokens, delay_ms) as url, open_readers(url) as readers:
        costs: dict[str, list[Cost]] = {name: [] for name in readers}
        for read in readers.values():
            await measure(read, AT_A_TIME)
        for _ in range(ROUNDS):
            for name, read in readers.items():
                costs[name].append(await measure(read, answers // ROUNDS))
    floor = statistics.median([cost.cpu for cost in costs["bare aiohttp"]])
    print(f"{tokens} tokens, {delay_ms:g} ms apart")
    for name, measured in costs.items():
        cpu = statistics.median([cost.cpu for cost in measured])
        pieces = statistics.mean([cost.pieces for cost in measured])
        over = cpu - floor
        print(
            f"  {name:13}{cpu * 1e3:7.3f} ms an answer, {over * 1e3:+7.3f} ms over the floor, "
            f"{over * 1e6 / tokens:+6.1f} us a token; came in {pieces:.1f} pieces"
        )


async def run(tokens: int, answers: int) -> None:
    """Print the machine and both comparisons."""
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    python = platform.python_version()
    print(f"{os.cpu_count()} cores {platform.machine()}, load {load}, Python {python}")
    print(", ".join(f"{name} {version(name)}" for name in ("aiohttp", "openai", "uvloop")))
    await compare(tokens, 0.0, answers)
    await compare(tokens, 2.0, answers)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="CPU of the model client per answer")
    parser.add_argument("--answers", type=int, default=700, help="answers for each reader")
    parser.add_argument("--tokens", type=int, default=40, help="chunks of an answer")
    args = parser.parse_args()
    uvloop.run(run(args.tokens, args.answers))


if __name__ == "__main__":
    main()
