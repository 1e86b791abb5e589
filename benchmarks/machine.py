"""What a figure was measured on."""

import os
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

PAUSE_SECONDS = 0.02


def describe() -> str:
    """One line: date, processor, cores, memory, Python, and how fast it is just now."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    busy, rested = _yardstick(0.0), _yardstick(PAUSE_SECONDS)
    return (
        f"{datetime.now(UTC):%Y-%m-%d} · {processor} · {os.cpu_count()} cores · "
        f"{memory:.0f} GiB · Python {platform.python_version()} · {platform.system()} · "
        f"yardstick {busy:.2f} ms, after a pause {rested:.2f} ms"
    )


def _yardstick(pause: float) -> float:
    """Milliseconds that a fixed piece of Python takes, each time after so many seconds of sleep.

    By it figures of different days can be compared. On a virtual machine that others use it takes
    another time from day to day, and half as long again after a pause as at a stretch.
    """
    took = []
    for _ in range(50):
        time.sleep(pause)
        began = time.perf_counter()
        {number % 97: (number, str(number)) for number in range(3000)}
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
