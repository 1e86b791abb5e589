"""What work costs, told so that a busy moment of the machine is no failure."""

import time
from collections.abc import Callable

TRIES = 3


def takes_less_than(seconds: float, work: Callable[[], object]) -> bool:
    """Whether one of a few runs takes less CPU time."""
    return any(_cpu_seconds(work) < seconds for _ in range(TRIES))


def _cpu_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
