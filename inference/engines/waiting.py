"""Jobs that wait for their adapter's turn, fairly.

ExLlamaV2 applies one set of adapters to all running jobs and changes it only while none runs. So
jobs of one adapter run together: a newcomer joins them while nobody waits for another adapter;
once somebody does, they are finished first, and then all that wait for that adapter go together.
Nobody is overtaken by more than one such round of each other adapter.
"""

from collections import deque
from itertools import takewhile

from inference.jobs.job import Job


class Waiting:
    """Jobs in the order they came, taken in groups of one adapter."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Put a job at the end."""
        self._jobs.append(job)

    def discard(self, job: str) -> None:
        """Forget a job, if it waits."""
        self._jobs = deque(each for each in self._jobs if each.id != job)

    def take(self, adapter: str, *, idle: bool) -> list[Job]:
        """Take the jobs that may start now, all of one adapter; `adapter` is the current one.

        Another adapter's jobs are taken only when the engine is idle.
        """
        if not self._jobs:
            return []
        front = self._jobs[0].adapter
        if front == adapter:
            taken = list(takewhile(lambda job: job.adapter == adapter, self._jobs))
        elif idle:
            taken = [job for job in self._jobs if job.adapter == front]
        else:
            return []
        gone = {job.id for job in taken}
        self._jobs = deque(job for job in self._jobs if job.id not in gone)
        return taken
