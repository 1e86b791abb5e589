"""`kill -9` in the middle of traffic: is anything lost, answered twice or out of order?

python -m benchmarks.crash [--kills 10] [--rate 200] [--customers 200] [--seconds 5]

Customers write at a fixed rate over HTTP; XiaoQ's process group and its Redis are killed with -9
every few seconds and started again. Every message carries a mark that the stub model repeats, so
the answers in the customers' event streams tell which messages were answered, how often and in
which order.
"""

import argparse
import asyncio
import re
import tempfile
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.rig import Customer, Product, browser_session, stub_model

MARK = re.compile(r"m\d{7}")
SETTLE_SECONDS = 60.0


async def main() -> None:
    """Run and print."""
    options = _options()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        async with stub_model() as model, browser_session() as session:
            product = Product(Path(folder) / "var", model)
            await product.start()
            customers = [Customer(session, product.base) for _ in range(options.customers)]
            for customer in customers:
                await customer.arrive()
            sent: list[list[str]] = [[] for _ in customers]
            starts: list[tuple[int, int]] = []
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(_write(customers, sent, options.rate, stop))
                for _ in range(options.kills):
                    await asyncio.sleep(options.seconds)
                    product.kill()
                    spawned = time.time()
                    await product.start()
                    starts.append((int(spawned * 1000), int(time.time() * 1000)))
                await asyncio.sleep(options.seconds)
                stop.set()
            accepted = writing.result()
            answers = await _collect(customers, sent)
            _report(sent, answers, starts, accepted)
            print(f"posts repeated by customers: {sum(customer.retries for customer in customers)}")
            product.stop()


async def _write(
    customers: list[Customer], sent: list[list[str]], rate: float, stop: asyncio.Event
) -> int:
    """Write at the rate; a customer sends its next message when the last one was accepted."""
    queues = [asyncio.Queue[str | None]() for _ in customers]

    async def work(number: int) -> None:
        while (mark := await queues[number].get()) is not None:
            await customers[number].send(mark)
            sent[number].append(mark)

    async with asyncio.TaskGroup() as group:
        for number in range(len(customers)):
            group.create_task(work(number))
        began, count = time.monotonic(), 0
        while not stop.is_set():
            queues[count % len(customers)].put_nowait(f"m{count:07}")
            count += 1
            await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))
        for queue in queues:
            queue.put_nowait(None)
    return count


async def _collect(
    customers: list[Customer], sent: list[list[str]]
) -> list[list[tuple[int, str, list[str]]]]:
    """Every customer's answers as time, reply id and the marks in it."""

    async def collect(customer: Customer, marks: list[str]) -> list[tuple[int, str, list[str]]]:
        found: list[tuple[int, str, list[str]]] = []
        missing = set(marks)
        try:
            async with asyncio.timeout(SETTLE_SECONDS), aclosing(customer.events()) as events:
                async for stamp, event in events:
                    if event["type"] != "done":
                        continue
                    found.append((stamp, event["reply"], MARK.findall(event["text"])))
                    missing -= set(found[-1][2])
                    if not missing:
                        break
        except TimeoutError:
            pass
        return found

    return await asyncio.gather(*map(collect, customers, sent))


def _report(
    sent: list[list[str]],
    answers: list[list[tuple[int, str, list[str]]]],
    starts: list[tuple[int, int]],
    offered: int,
) -> None:
    lost = twice = disorder = 0
    for marks, found in zip(sent, answers, strict=True):
        given = [mark for _, _, answered in found for mark in answered]
        counts = Counter(given)
        lost += sum(1 for mark in marks if not counts[mark])
        twice += sum(count - 1 for count in counts.values() if count > 1)
        twice += len(found) - len({reply for _, reply, _ in found})
        firsts = list(dict.fromkeys(given))
        disorder += firsts != [mark for mark in marks if mark in counts]
    stamps = sorted(stamp for found in answers for stamp, _, _ in found)
    waits = [
        next((stamp - spawned for stamp in stamps if stamp > spawned), None)
        for spawned, _ in starts
    ]
    print(f"kills: {len(starts)}   messages offered: {offered}   accepted: {sum(map(len, sent))}")
    print(f"lost: {lost}   answered twice: {twice}   conversations out of order: {disorder}")
    print("ready after restart, ms:       ", [ready - spawned for spawned, ready in starts])
    print("first answer after restart, ms:", waits)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
