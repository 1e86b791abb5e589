"""How fast a core is while something is measured on it.

A core of a virtual machine is mostly one of the two threads of a real one. Whoever else works on
the other thread takes up to half of its speed, for milliseconds or for hours, and a process' CPU
time counts all the same. So a small piece of Python is timed on that core every few milliseconds;
its best times tell the speed that the core has when nobody else is there.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from core.tasks import beside

PAUSE_SECONDS = 0.005
WINDOW_SECONDS = 0.2
BEST = 0.05
"""Share of the times that is taken for the best speed."""


@dataclass
class CoreUse:
    """CPU seconds that some processes used on a core, and what its speed was meanwhile."""

    used: list[float] = field(default_factory=list)
    """Of each process."""
    unhindered: list[float] = field(default_factory=list)
    """The same at the best speed of the core."""
    speed: float = 1.0
    """Mean of the core's speed, as a share of its best."""


@asynccontextmanager
async def watch_core(
    core: int, cpu_seconds: Callable[[], list[float]]
) -> AsyncGenerator[CoreUse, None]:
    """Watch what processes use on a core; the result is complete after the context."""
    use = CoreUse()
    rows: list[tuple[float, list[float]]] = []

    async def sample() -> None:
        while True:
            rows.append((time.monotonic(), cpu_seconds()))
            await asyncio.sleep(WINDOW_SECONDS)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "times"
        with path.open("w") as times:
            command = [sys.executable, "-m", "benchmarks.core_speed", str(core)]
            probe = subprocess.Popen(command, stdout=times)  # noqa: ASYNC220 - forks and returns
        try:
            async with beside(sample()):
                yield use
        finally:
            probe.kill()
            probe.wait()
        rows.append((time.monotonic(), cpu_seconds()))
        _reckon(use, rows, _read(path))


def _read(path: Path) -> list[tuple[float, float]]:
    """When the piece was timed, and how long it took; the last line may be cut."""
    rows = [line.split() for line in path.read_text().splitlines()[:-1]]
    return [(float(at), float(took)) for at, took in rows]


def _reckon(
    use: CoreUse, rows: list[tuple[float, list[float]]], timed: list[tuple[float, float]]
) -> None:
    best = sorted(took for _, took in timed)[int(len(timed) * BEST)]
    usual = statistics.mean(took for _, took in timed) / best
    use.speed = 1 / usual
    use.used = [0.0] * len(rows[0][1])
    use.unhindered = list(use.used)
    for (begin, before), (end, after) in pairwise(rows):
        inside = [took for at, took in timed if begin <= at < end]
        slower = statistics.mean(inside) / best if inside else usual
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            use.used[number] += new - old
            use.unhindered[number] += (new - old) / slower


def _piece() -> None:
    for _ in range(600):
        pass


def main() -> None:
    """Print the time and how long the piece took, until killed."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    with suppress(KeyboardInterrupt, BrokenPipeError):
        while True:
            time.sleep(PAUSE_SECONDS)
            _piece()  # whoever just woke up is slow
            began = time.thread_time()
            for _ in range(4):
                _piece()
            print(time.monotonic(), time.thread_time() - began, flush=True)


if __name__ == "__main__":
    main()
