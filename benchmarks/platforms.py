"""How fast and how safe the channels are, each against the fake of its platform.

python -m benchmarks.platforms telegram one|many|kill
python -m benchmarks.platforms slack one|many|kill
python -m benchmarks.platforms wecom-kf|wecom-app|wecom-aibot one|many|kill

one    accept to first text on the platform, one customer, and the model's own time as the floor
many   customers write 3 messages each at a rate: acknowledgements, answers, CPU per message
kill   kill -9 of XiaoQ and its Redis in the middle of traffic: lost, answered twice, out of order

XiaoQ and its Redis have one core, as one process or, with --halves, as a gateway that takes in and
a worker that answers. The fake, the model and the customers have the other core. Telegram calls the
webhook, Slack posts events, WeCom rings for its kf and posts what members write.
"""

import argparse
import asyncio
import os
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from peers.slack import SlackPeer, slack_peer
from peers.telegram import TelegramPeer, telegram_peer

from benchmarks.machine import describe
from benchmarks.rig import Product, percentile, stub_model
from benchmarks.wecom_sides import aibot_side, app_side, kf_side

TOKEN = "123456:benchmark"
SECRET = "benchmark"
MARK = re.compile(r"m\d{7}")
SETTLE_SECONDS = 90.0
CHATS = 20
"""Chats that one message at a time goes round in: platforms take about one a second in each."""


class Side(Protocol):
    """A platform with its customers."""

    settings: dict[str, str]

    async def connect(self, product: Product) -> None:
        """Tell the platform where XiaoQ is, after each start."""
        ...

    async def write(self, customer: int, text: str) -> float:
        """Deliver a message until it is acknowledged; seconds of the last delivery."""
        ...

    def shown(self) -> list[tuple[float, int, str]]:
        """What customers were shown so far: time, customer, text as far as it had come."""
        ...

    def answers(self, customer: int) -> list[str]:
        """The texts that stand in a customer's chat now."""
        ...


class TelegramSide:
    """Private chats of one bot."""

    def __init__(self, peer: TelegramPeer) -> None:
        self._peer = peer
        self._bot = peer.bot(token=TOKEN, username="bench_bot")
        self._base = peer.base.removesuffix("/bot")
        self.settings: dict[str, str] = {
            "XIAOQ_TELEGRAM__TOKEN": TOKEN,
            "XIAOQ_TELEGRAM__API_BASE": self._base,
            "XIAOQ_TELEGRAM__MODE": "webhook",
            "XIAOQ_TELEGRAM__SECRET_TOKEN": SECRET,
            "XIAOQ_TELEGRAM__PER_SECOND": "1000",
        }

    async def connect(self, product: Product) -> None:
        """XiaoQ sets its webhook itself."""

    async def write(self, customer: int, text: str) -> float:
        """Deliver until it is acknowledged."""
        with self._bot.holding() as held:
            self._bot.says(customer + 1, text)
        while True:
            began = time.perf_counter()
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                if await self._bot.outbox.post(held[0]) == 200:
                    return time.perf_counter() - began
            await asyncio.sleep(0.2)

    def shown(self) -> list[tuple[float, int, str]]:
        """What was shown."""
        texts = ("sendMessageDraft", "sendMessage")
        return [
            (call.at, int(call.parameters["chat_id"]) - 1, str(call.parameters.get("text", "")))
            for call in self._peer.calls
            if call.method in texts and call.status == 200
        ]

    def answers(self, customer: int) -> list[str]:
        """What stands in the chat."""
        return self._peer.texts(customer + 1)


class SlackSide:
    """Direct messages of one workspace."""

    def __init__(self, peer: SlackPeer) -> None:
        self._peer = peer
        self._peer.bot(signing_secret=SECRET)
        self._peer.retry_delays = (0.2,) * 100
        self.settings: dict[str, str] = {
            "XIAOQ_SLACK__BOT_TOKEN": "xoxb-1",
            "XIAOQ_SLACK__SIGNING_SECRET": SECRET,
            "XIAOQ_SLACK__API_BASE": peer.base,
        }

    async def connect(self, product: Product) -> None:
        """Give the request URL."""
        self._peer.deliver_to(f"{product.base}/slack/events")

    async def write(self, customer: int, text: str) -> float:
        """Deliver until it is acknowledged."""
        while True:
            delivery = await self._peer.message(text, user=f"U{customer:05}")
            if delivery.acked:
                return delivery.tries[-1].seconds

    def shown(self) -> list[tuple[float, int, str]]:
        """What was shown."""
        texts = ("chat.postMessage", "chat.update", "chat.appendStream", "chat.startStream")
        started = time.time() - time.monotonic()  # this fake keeps the time of day
        return [
            (call.at - started, int(str(call.args["channel"])[-5:]), str(call.args))
            for call in self._peer.calls
            if call.method in texts and not call.error
        ]

    def answers(self, customer: int) -> list[str]:
        """What stands in the chat."""
        channel = self._peer.dm(f"U{customer:05}")
        return [message.shown for message in self._peer.messages(channel)]


@asynccontextmanager
async def telegram_side() -> AsyncGenerator[Side, None]:
    """Telegram."""
    async with telegram_peer() as peer:
        yield TelegramSide(peer)


@asynccontextmanager
async def slack_side() -> AsyncGenerator[Side, None]:
    """Slack."""
    async with slack_peer() as peer:
        yield SlackSide(peer)


SIDES: dict[str, Callable[[], AbstractAsyncContextManager[Side]]] = {
    "telegram": telegram_side,
    "slack": slack_side,
    "wecom-kf": kf_side,
    "wecom-app": app_side,
    "wecom-aibot": aibot_side,
}


async def one(side: Side, product: Product, options: argparse.Namespace) -> None:
    """One customer after another: how long until something of the answer is seen."""
    waits, floors = [], []
    for number in range(options.messages or 220):
        mark = f"m{number:07}"
        began = time.monotonic()
        await side.write(number % CHATS, mark)
        while not (seen := [at for at, _, text in side.shown()[-5:] if mark in text]):  # noqa: ASYNC110
            await asyncio.sleep(0.0005)
        waits.append(seen[0] - began)
        floors.append(await _model_seconds(product.model_url, mark))
        await asyncio.sleep(0.05)
    waits, floors = waits[CHATS:], floors[CHATS:]
    _row("first text on the platform", waits)
    _row("the model alone, asked directly", floors)
    added = statistics.median(waits) - statistics.median(floors)
    print(f"added over the model, p50: {added * 1000:.2f} ms")


async def many(side: Side, product: Product, options: argparse.Namespace) -> None:
    """Open-loop load."""
    count = options.messages or 3 * options.customers
    await _offer(side, 200, options, first=9_000_000)  # warm up
    before = product.cpu_seconds()
    sent, acks, began = await _offer(side, count, options, first=0)
    missing = await _settle(side, sent)
    used = [b - a for a, b in zip(before, product.cpu_seconds(), strict=True)]
    whole = {}
    for at, _, text in side.shown():
        for mark in MARK.findall(text):
            whole[mark] = max(at, whole.get(mark, 0.0))
    waits = [whole[mark] - at for marks in sent.values() for mark, at in marks if mark in whole]
    print(
        f"offered: {count} at {options.rate:.0f}/s   unanswered: {len(missing)}   "
        f"answered: {count / (max(whole.values()) - began):.0f}/s"
    )
    _row("acknowledged", acks)
    _row("whole answer", waits)
    print(
        f"CPU per message: {sum(used) / count * 1000:.2f} ms "
        f"(XiaoQ {used[0] / count * 1000:.2f}, Redis {used[1] / count * 1000:.2f})"
    )


async def kill(side: Side, product: Product, options: argparse.Namespace) -> None:
    """Kill it again and again while customers write."""

    async def keep_killing() -> None:
        for _ in range(options.kills):
            await asyncio.sleep(options.seconds)
            product.kill()
            await product.start()
            await side.connect(product)

    count = int(options.rate * options.seconds * (options.kills + 1))
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_killing())
        offered = group.create_task(_offer(side, count, options, first=0))
    sent, _, _ = offered.result()
    missing = await _settle(side, sent)
    twice = disorder = 0
    for customer, marks in sent.items():
        given = [mark for text in side.answers(customer) for mark in MARK.findall(text)]
        twice += sum(number - 1 for number in Counter(given).values() if number > 1)
        known = [mark for mark, _ in marks if mark in given]
        disorder += list(dict.fromkeys(given)) != known
    print(f"kills: {options.kills}   messages accepted: {count}")
    print(f"lost: {len(missing)}   written twice: {twice}   chats out of order: {disorder}")


async def _offer(
    side: Side, count: int, options: argparse.Namespace, first: int
) -> tuple[dict[int, list[tuple[str, float]]], list[float], float]:
    """Write at the rate; a customer's next message waits until the last one was acknowledged."""
    turns = [asyncio.Lock() for _ in range(options.customers)]
    sent: dict[int, list[tuple[str, float]]] = {}
    acks: list[float] = []

    async def write(customer: int, mark: str) -> None:
        async with turns[customer]:
            at = time.monotonic()
            acks.append(await side.write(customer, mark))
            sent.setdefault(customer, []).append((mark, at))

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(write(number % options.customers, f"m{first + number:07}"))
            await asyncio.sleep(max(0.0, began + number / options.rate - time.monotonic()))
    return sent, acks, began


async def _settle(side: Side, sent: dict[int, list[tuple[str, float]]]) -> set[str]:
    """Wait until everything is answered; what is not after a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        given = {
            mark
            for customer in sent
            for text in side.answers(customer)
            for mark in MARK.findall(text)
        }
        missing = {mark for marks in sent.values() for mark, _ in marks} - given
        if not missing or time.monotonic() > deadline:
            return missing
        await asyncio.sleep(0.5)


async def _model_seconds(url: str, text: str) -> float:
    """The floor: the same model, asked without anything in between."""
    body: dict[str, Any] = {
        "model": "stub",
        "stream": True,
        "messages": [{"role": "user", "content": text}],
    }
    began = time.perf_counter()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat/completions", json=body) as response,
    ):
        await response.content.readany()
        seconds = time.perf_counter() - began
        await response.read()
    return seconds


def _row(name: str, seconds: list[float]) -> None:
    milliseconds = [value * 1000 for value in seconds]
    print(
        f"{name}: p50 {statistics.median(milliseconds):.2f} ms, "
        f"p99 {percentile(milliseconds, 0.99):.2f} ms, n={len(milliseconds)}"
    )


WAYS = {"one": one, "many": many, "kill": kill}


async def main() -> None:
    """Run one way on one platform and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", choices=SIDES)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--halves", action="store_true", help="gateway and worker apart")
    options = parser.parse_args()
    print(f"{describe()} · {options.platform}")
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder:
        async with stub_model("1") as model, SIDES[options.platform]() as side:
            product = Product(Path(folder) / "var", model, cores="0", halves=options.halves)
            product.port = 18_000 + os.getpid() % 1000
            public = {"XIAOQ_TELEGRAM__PUBLIC_URL": product.base}
            product.extra = side.settings | public
            await product.start()
            await side.connect(product)
            try:
                await WAYS[options.way](side, product, options)
            finally:
                product.kill()


if __name__ == "__main__":
    asyncio.run(main())
