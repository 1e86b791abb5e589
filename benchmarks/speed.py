"""Added time, CPU and throughput of the whole way, with a model that answers at once.

python -m benchmarks.speed one        time from accepting to first text, one customer
python -m benchmarks.speed many       1,000 conversations at a rate, XiaoQ and Redis on one core
python -m benchmarks.speed start      time to ready, idle memory
python -m benchmarks.speed memory     resident memory over 100,000 messages

The floor printed beside it: the stub model asked directly over HTTP, in the same run.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from benchmarks.core_speed import watch_core
from benchmarks.machine import describe
from benchmarks.rig import Customer, Product, browser_session, percentile, stub_model

QUESTIONS = ["怎么退货？", "几天能到？", "how do I return an item?", "水垢怎么清理", "保修多久"]

CONVERSATION = 10
"""Questions, after which the customer begins anew: longer ones are rare."""

PAUSE_SECONDS = 0.02
"""Between questions, as people are slower; all processes go to sleep in it, the model's too."""


async def one(options: argparse.Namespace) -> None:
    """Time until the first text stands on the page."""
    with tempfile.TemporaryDirectory() as folder:
        async with stub_model() as model, browser_session() as session:
            product = Product(Path(folder) / "var", model)
            await product.start()
            customer = Customer(session, product.base)
            await customer.arrive()
            accepted, sent = await _ask_in_turn(customer, options.messages or 500)
            floor = []
            for _ in range(200):
                floor.append(await _ask_model(session, model))
                await asyncio.sleep(PAUSE_SECONDS)
            product.stop()
    _row("accepting to first text on the page", accepted)
    _row("sending to first text on the page", sent)
    _row("floor: the model asked directly, first text", floor)
    added = statistics.median(accepted) - statistics.median(floor)
    print(f"added over the model, accepting to first text, p50: {added * 1000:.2f} ms")


async def _ask_in_turn(customer: Customer, count: int) -> tuple[list[float], list[float]]:
    """Seconds from accepting to the first text on the page, and from sending to it."""
    accepted: list[float] = []
    sent: list[float] = []
    async with aclosing(customer.events()) as events:
        for number in range(count + 50):
            if number % CONVERSATION == 0:
                await _begin_anew(customer, events)
            began, at, shown = time.time(), 0.0, 0.0
            sending = asyncio.ensure_future(customer.send(QUESTIONS[number % len(QUESTIONS)]))
            async for _, event in events:
                if event["type"] == "question":
                    at = event["at"]
                elif event["type"] in ("delta", "done") and not shown:
                    shown = time.time()
                if event["type"] == "done":
                    break
            await sending
            await asyncio.sleep(PAUSE_SECONDS)
            if number >= 50:  # the first ones warm up
                accepted.append(shown - at)
                sent.append(shown - began)
    return accepted, sent


async def _begin_anew(customer: Customer, events: AsyncGenerator[tuple[int, dict], None]) -> None:
    await customer.send("/new")
    async for _, event in events:
        if event["type"] == "done":
            break
    await asyncio.sleep(PAUSE_SECONDS)


async def _ask_model(session, model: str) -> float:  # noqa: ANN001
    body = {
        "model": "stub",
        "stream": True,
        "messages": [{"role": "user", "content": QUESTIONS[0]}],
    }
    began, shown = time.perf_counter(), 0.0
    async with session.post(f"{model}/chat/completions", json=body) as response:
        async for line in response.content:
            if not shown and b'"content": "' in line and b'"content": ""' not in line:
                shown = time.perf_counter() - began
    return shown


async def many(options: argparse.Namespace) -> None:
    """Open-loop load; CPU is that of XiaoQ and its Redis, which have one core to themselves."""
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder:
        async with stub_model("1") as model, browser_session() as session:
            product = Product(Path(folder) / "var", model, cores="0")
            await product.start()
            customers = [Customer(session, product.base) for _ in range(options.customers)]
            for customer in customers:
                await customer.arrive()
            load = Load(customers, options.rate)
            await load.run(options.customers)  # warm up
            load.clear()
            async with watch_core(0, product.cpu_seconds) as use:
                took = await load.run(options.messages or 6000)
            memory = product.memory_mb()
            product.stop()
    count, turns = len(load.first), load.turns
    print(f"offered: {options.rate:.0f}/s   answered: {count} = {count / took:.0f}/s")
    _row("first text", load.first)
    _row("whole answer", load.whole)
    own, redis = (seconds / count * 1000 for seconds in use.used)
    print(f"CPU per message: {own + redis:.2f} ms (XiaoQ {own:.2f}, Redis {redis:.2f})")
    unhindered = sum(use.unhindered)
    print(
        f"the core at {use.speed:.0%} of its speed; at full speed: "
        f"{unhindered / count * 1000:.2f} ms a message, {unhindered / turns * 1000:.2f} ms a turn "
        f"({count / turns:.2f} messages), {count / unhindered:.0f} messages/s"
    )
    print(f"resident memory: XiaoQ {memory[0]:.0f} MB, Redis {memory[1]:.0f} MB")


class Load:
    """Customers with open pages, who write at a rate whether or not answers come."""

    def __init__(self, customers: list[Customer], rate: float) -> None:
        self._customers = customers
        self._rate = rate
        self._sent: dict[str, float] = {}
        self._all_answered = asyncio.Event()
        self.first: list[float] = []
        self.whole: list[float] = []
        self.turns = 0

    def clear(self) -> None:
        """Forget what was measured."""
        self.first.clear()
        self.whole.clear()
        self.turns = 0

    async def run(self, count: int) -> float:
        """Send so many messages; the seconds from the first one to the last answer."""
        async with asyncio.TaskGroup() as group:
            pages = [group.create_task(self._read(customer)) for customer in self._customers]
            await asyncio.sleep(2)  # all pages are open
            began = time.perf_counter()
            await self._write(count)
            async with asyncio.timeout(60):
                await self._all_answered.wait()
            took = time.perf_counter() - began
            for page in pages:
                page.cancel()
        return took

    async def _write(self, count: int) -> None:
        began = time.perf_counter()
        order = random.sample(self._customers, len(self._customers))
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._send(order[number % len(order)], number))
                await asyncio.sleep(max(0.0, began + number / self._rate - time.perf_counter()))

    async def _send(self, customer: Customer, number: int) -> None:
        text = f"{QUESTIONS[number % len(QUESTIONS)]} {number}"
        self._sent[text] = time.perf_counter()
        self._all_answered.clear()
        await customer.send(text)

    async def _read(self, customer: Customer) -> None:
        """Hear a page's events; an answer answers what was asked before it began."""
        waiting: list[str] = []
        asked: list[str] = []
        shown = 0.0
        async with aclosing(customer.events(f"{time.time_ns() // 1_000_000}-0")) as events:
            async for _, event in events:
                if event["type"] == "question":
                    waiting.append(event["text"])
                elif event["type"] == "start":
                    asked, waiting, shown = waiting, [], 0.0
                elif event["type"] == "delta":
                    shown = shown or time.perf_counter()
                elif event["type"] == "done":
                    self._note(asked, shown)

    def _note(self, asked: list[str], shown: float) -> None:
        now = time.perf_counter()
        self.turns += 1
        for text in asked:
            began = self._sent.pop(text)
            self.first.append((shown or now) - began)
            self.whole.append(now - began)
        if not self._sent:
            self._all_answered.set()


async def start(options: argparse.Namespace) -> None:
    """Time to ready and idle memory, embedded parts, no model, everything on one core."""
    with tempfile.TemporaryDirectory() as folder:
        product = Product(Path(folder) / "var", "", cores="0")
        for _ in range(options.messages or 5):
            async with watch_core(0, lambda: [product.total_cpu_seconds()]) as use:
                took = await product.start()
            print(
                f"ready after {took:.2f} s, the core at {use.speed:.0%} of its speed; "
                f"its work at full speed: {use.unhindered[0]:.2f} s"
            )
            await asyncio.sleep(3)
            memory = product.memory_mb()
            product.stop()
    print(f"idle resident memory: XiaoQ {memory[0]:.1f} MB, Redis {memory[1]:.1f} MB")


async def memory(options: argparse.Namespace) -> None:
    """Resident memory while messages flow."""
    with tempfile.TemporaryDirectory() as folder:
        async with stub_model("1") as model, browser_session() as session:
            product = Product(Path(folder) / "var", model, cores="0")
            await product.start()
            customers = [Customer(session, product.base) for _ in range(options.customers)]
            for customer in customers:
                await customer.arrive()
            load = Load(customers, options.rate)
            total, step = options.messages or 100_000, (options.messages or 100_000) // 10
            for done in range(step, total + 1, step):
                await load.run(step)
                load.clear()
                own, redis = product.memory_mb()
                print(f"{done:>7} messages: XiaoQ {own:.0f} MB, Redis {redis:.0f} MB", flush=True)
            product.stop()


def _row(name: str, seconds: list[float]) -> None:
    milliseconds = [value * 1000 for value in seconds]
    print(
        f"{name}: p50 {statistics.median(milliseconds):.2f} ms, "
        f"p99 {percentile(milliseconds, 0.99):.2f} ms, n={len(milliseconds)}"
    )


WAYS: dict[str, Callable[[argparse.Namespace], Awaitable[None]]] = {
    "one": one,
    "many": many,
    "start": start,
    "memory": memory,
}


async def main() -> None:
    """Run one way and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=300)
    options = parser.parse_args()
    print(describe())
    await WAYS[options.way](options)


if __name__ == "__main__":
    asyncio.run(main())
