"""What the model server and its client add to a token, with an engine that costs next to nothing.

    python -m benchmarks.serving [--seconds 12] [--batch 16]

The server is a process of its own, the client XiaoQ's own in this one, a unix socket between them.
The engine (`tests/peers/engine.py`) says a letter of every answer a step; a step takes 10 ms, as on
a card. Two kinds of steps: `quiet` waits without Python's lock, as a kernel's launch does; `busy`
computes in Python for 3 ms of them, as samplers and schedulers do, so that the event loop has to
wrest the lock from it.

Printed for each: CPU of server and client per token, that of the bare engine taken off; how late a
timer of 1 ms came in the server's event loop, in all and by the server's own doing; tokens per
second beside those of the bare engine. The best of several rounds is printed, for a machine that
others use makes all figures worse but the lateness by own doing.
"""

import argparse
import asyncio
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from peers.engine import ScriptedEngine, byte_tokenizer, facts

from benchmarks.machine import describe
from config.engine import EngineSettings
from config.settings import InferenceSettings
from inference.client.chat import ChatTurn, Chunk, Prompt
from inference.client.model_client import ModelClient, open_client
from inference.jobs.job import Event, Job, Piece
from inference.jobs.loop import open_loop
from inference.serving.door import open_door
from inference.serving.server import ModelServer
from inference.serving.unit import SWITCH_SECONDS, spare_the_collector

STEP_SECONDS = 0.010
BUSY_SECONDS = 0.003
TOKENS = 200
ROUNDS = 20
TICK_SECONDS = 0.001
QUESTION = "请问我昨天下单的耳机什么时候能送到？"


@dataclass
class TimedEngine(ScriptedEngine):
    """Takes a card's time for a step."""

    busy_seconds: float = 0.0

    def step(self) -> list[Event]:
        """Compute for a while, wait for the rest, and say a letter of each answer."""
        end = time.perf_counter() + self.busy_seconds
        while time.perf_counter() < end:
            pass
        time.sleep(STEP_SECONDS - self.busy_seconds)
        return super().step()


def make_engine(batch: int, busy: float) -> TimedEngine:
    """Build the engine of a server or of the bare loop."""
    wide = facts(batch=batch, pool_tokens=4096 * batch)
    return TimedEngine(facts=wide, answer="好" * TOKENS, busy_seconds=busy)


async def lateness(stop: asyncio.Event) -> list[tuple[float, float]]:
    """Milliseconds that a timer came too late, and that part of them which was our own doing.

    A process that the machine does not let run uses no CPU: of a delay no more than the CPU that
    the process used meanwhile, in all threads, can be its own.
    """
    late: list[tuple[float, float]] = []
    while not stop.is_set():
        due, cpu = time.perf_counter() + TICK_SECONDS, time.process_time()
        await asyncio.sleep(TICK_SECONDS)
        over = time.perf_counter() - due
        late.append((over * 1e3, min(over, time.process_time() - cpu) * 1e3))
    return late


def summary(late: list[float]) -> str:
    """Say how late: at the median, one in a thousand, at most, and how often over 5 ms."""
    ordered = sorted(late)
    return (
        f"median {ordered[len(ordered) // 2]:.2f} ms, "
        f"one in 1000 {ordered[int(len(ordered) * 0.999)]:.2f} ms, at most {ordered[-1]:.2f} ms, "
        f"over 5 ms {sum(each > 5 for each in ordered)} of {len(ordered)}"
    )


async def serve(socket: Path, batch: int, busy: float, ticks: bool) -> None:
    """Serve until a signal; then print how late a timer was, as JSON."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.setswitchinterval(SWITCH_SECONDS)
    engine = make_engine(batch, busy)
    settings = EngineSettings(batch=batch, prefills=256, served_name="scripted")
    async with open_loop(engine.load) as loop:
        server = ModelServer(loop, settings)
        async with open_door(server, socket=socket):
            await server.open(byte_tokenizer())
            spare_the_collector()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            late = await lateness(stop) if ticks else []
            await stop.wait()
    sys.stdout.write(json.dumps({"late": late}))


@asynccontextmanager
async def open_server(
    socket: Path, batch: int, busy: float, *, ticks: bool
) -> AsyncIterator[dict[str, Any]]:
    """Run `serve` as a process; what it measured is in the dict after leaving."""
    options = ["--serve", str(socket), "--batch", str(batch), "--busy", str(busy)]
    options += ["--ticks"] if ticks else []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.serving", *options, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    measured: dict[str, Any] = {"pid": process.pid}
    try:
        yield measured
    finally:
        process.terminate()
        measured |= json.loads(await process.stdout.read())
        await process.wait()


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, in all its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    tokens: int
    server_cpu: float
    client_cpu: float
    wall: float


@dataclass(slots=True)
class Listener:
    """Hears the answers of a server's process, and counts their tokens."""

    client: ModelClient
    batch: int
    pid: int
    tokens: int = 0

    async def listen(self) -> None:
        """Have one answer after another written."""
        prompt = Prompt(
            (ChatTurn("system", "你是客服小Q。" * 20), ChatTurn("user", QUESTION)), "s", TOKENS
        )
        while True:
            async with aclosing(self.client.stream(prompt)) as events:
                async for event in events:
                    if isinstance(event, Chunk):
                        self.tokens += len(event.text)

    async def measure(self, seconds: float) -> Cost:
        """Count tokens and CPU of about so long."""
        before, begun = self.tokens, time.perf_counter()
        ours, theirs = time.process_time(), cpu_of(self.pid)
        await asyncio.sleep(seconds)
        await self.between_folds()
        spent = cpu_of(self.pid) - theirs, time.process_time() - ours
        return Cost(self.tokens - before, *spent, time.perf_counter() - begun)

    async def between_folds(self) -> None:
        """Wait until the server has told the tokens of some steps, and is not about to again.

        A round that ends anywhere may hold one time more than it holds steps, and looks fast.
        """
        before = self.tokens
        while self.tokens - before < self.batch:  # noqa: ASYNC110 - an event costs every token
            await asyncio.sleep(STEP_SECONDS / 5)
        await asyncio.sleep(STEP_SECONDS / 2)


async def ask_all(socket: Path, batch: int, seconds: float, pid: int) -> list[Cost]:
    """Keep so many answers going for so long, in rounds, and count tokens and CPU of each."""
    endpoint = {
        "url": "http://unit/v1",
        "socket": str(socket),
        "model": "scripted",
        "concurrency": batch,
    }
    settings = InferenceSettings.model_validate({"endpoints": [endpoint]})
    async with open_client(settings) as client, asyncio.TaskGroup() as group:
        listener = Listener(client, batch, pid)
        callers = []
        for _ in range(batch):  # not all begin at once, nor end
            callers.append(group.create_task(listener.listen()))
            await asyncio.sleep(TOKENS * STEP_SECONDS / batch)
        await listener.between_folds()
        costs = [await listener.measure(seconds / ROUNDS) for _ in range(ROUNDS)]
        for caller in callers:
            caller.cancel()
    return costs


def run_bare(batch: int, busy: float, seconds: float) -> tuple[float, float]:
    """Seconds of CPU a token, and tokens a second, of the engine alone; the best of the rounds."""
    engine = make_engine(batch, busy)
    number = itertools.count()
    rounds = []
    for _ in range(ROUNDS):
        cpu, begun, tokens = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - begun < seconds / ROUNDS:
            while len(engine.running) < batch:
                engine.start(Job(str(next(number)), range(300), TOKENS))
            tokens += sum(isinstance(event, Piece) for event in engine.step())
        wall = time.perf_counter() - begun
        rounds.append(((time.process_time() - cpu) / tokens, tokens / wall))
    return min(cpu for cpu, _ in rounds), max(rate for _, rate in rounds)


async def compare(name: str, batch: int, busy: float, seconds: float) -> None:
    """Measure one kind of steps and print its rows."""
    bare_cpu, bare_rate = await asyncio.to_thread(run_bare, batch, busy, seconds / 2)
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        async with open_server(socket, batch, busy, ticks=False) as plain:
            costs = await ask_all(socket, batch, seconds, plain["pid"])
        # The timer costs more than a token: CPU is measured without it.
        async with open_server(socket, batch, busy, ticks=True) as late:
            await ask_all(socket, batch, seconds / 2, late["pid"])
    server, client = (
        min(each) * 1e6
        for each in (
            [cost.server_cpu / cost.tokens - bare_cpu for cost in costs],
            [cost.client_cpu / cost.tokens for cost in costs],
        )
    )
    rate = max(cost.tokens / cost.wall for cost in costs)
    tokens = sum(cost.tokens for cost in costs)
    print(f"{name} steps, batch {batch}, {tokens} tokens; the best of {ROUNDS} rounds")
    print(
        f"  CPU a token: server {server:.1f} us, client {client:.1f} us, "
        f"together {server + client:.1f} us (the engine's own {bare_cpu * 1e6:.1f} us off)"
    )
    print(f"  timer of 1 ms late in the server: {summary([all_of for all_of, _ in late['late']])}")
    print(f"    by its own doing at most: {summary([own for _, own in late['late']])}")
    print(
        f"  tokens a second: {rate:.0f}, bare engine {bare_rate:.0f} ({rate / bare_rate - 1:+.1%})"
    )


async def run(seconds: float, batch: int) -> None:
    """Print the machine and both comparisons."""
    print(describe())
    await compare("quiet", batch, 0.0, seconds)
    await compare("busy", batch, BUSY_SECONDS, seconds)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="cost of the model server per token")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
    parser.add_argument("--batch", type=int, default=16, help="answers at a time")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ticks", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--busy", type=float, default=0.0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        uvloop.run(serve(args.serve, args.batch, args.busy, args.ticks))
    else:
        uvloop.run(run(args.seconds, args.batch))


if __name__ == "__main__":
    main()
