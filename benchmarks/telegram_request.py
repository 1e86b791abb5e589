"""CPU of a Bot API call through python-telegram-bot: its own HTTP backend beside XiaoQ's.

    python -m benchmarks.telegram_request [--calls 1400]

The peer (`tests/peers/telegram.py`) runs in a process of its own. Each backend sends the same
message, some at a time, in turn in the same run; CPU is that of this process, the median of the
rounds. The floor is the same request made with aiohttp alone.
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
from typing import Any

import aiohttp
import uvloop
from telegram import Bot, LinkPreviewOptions, MessageEntity
from telegram.request import HTTPXRequest

from bots.telegram.request import AiohttpRequest

PEER = Path(__file__).parents[1] / "tests" / "peers" / "telegram.py"
TOKEN = "123:abc"
CUSTOMER = 7
TEXT = "您的订单已经发出，预计三天内送到。**退货**请在订单页申请。" * 10
ENTITIES = [MessageEntity("bold", offset, 6) for offset in range(0, 200, 40)]
AT_A_TIME = 8
ROUNDS = 7

Call = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def open_server() -> AsyncIterator[dict[str, str]]:
    """Start the peer as a process and yield its addresses."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PEER), "--token", TOKEN, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def open_calls(server: dict[str, str]) -> AsyncIterator[dict[str, Call]]:
    """Open the backends; each call sends one message."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        order = {"token": TOKEN, "do": "says", "with": {"user_id": CUSTOMER, "text": "/start"}}
        await session.post(f"{server['control']}/update", json=order)
        body = json.dumps({"chat_id": CUSTOMER, "text": TEXT}).encode()

        async def floor() -> None:
            headers = {"Content-Type": "application/json"}
            url = f"{server['base']}{TOKEN}/sendMessage"
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

        def through(bot: Bot) -> Call:
            return lambda: bot.send_message(
                CUSTOMER,
                TEXT,
                entities=ENTITIES,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )

        own = HTTPXRequest(connection_pool_size=AT_A_TIME)
        stack.push_async_callback(own.shutdown)
        ours = AiohttpRequest(session)
        yield {
            "bare aiohttp": floor,
            "xiaoq": through(Bot(TOKEN, server["base"], request=ours)),
            "httpx": through(Bot(TOKEN, server["base"], request=own)),
        }


async def measure(call: Call, calls: int) -> float:
    """Make so many calls, some at a time; seconds of CPU for each."""
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await call()

    begun = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_A_TIME):
            tasks.create_task(work())
    return (time.process_time() - begun) / calls


async def run(calls: int) -> None:
    """Print the machine and a row for each backend."""
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    python = platform.python_version()
    print(f"{os.cpu_count()} cores {platform.machine()}, load {load}, Python {python}")
    names = ("python-telegram-bot", "aiohttp", "httpx", "uvloop")
    print(", ".join(f"{name} {version(name)}" for name in names))
    async with open_server() as server, open_calls(server) as backends:
        costs: dict[str, list[float]] = {name: [] for name in backends}
        for call in backends.values():
            await measure(call, AT_A_TIME)
        for _ in range(ROUNDS):
            for name, call in backends.items():
                costs[name].append(await measure(call, calls // ROUNDS))
    for name, measured in costs.items():
        print(f"  {name:13}{statistics.median(measured) * 1e3:7.3f} ms a call")


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="CPU of a Bot API call, by HTTP backend")
    parser.add_argument("--calls", type=int, default=1400, help="calls for each backend")
    uvloop.run(run(parser.parse_args().calls))


if __name__ == "__main__":
    main()
