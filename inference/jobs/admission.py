"""Who is next: a bounded queue, fair between callers, and the room of the engine. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from inference.jobs.engine import EngineFacts, JobRefusedError
from inference.jobs.job import Job
from inference.jobs.turns import Turns


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model server takes on, and for how long; times in seconds."""

    batch: int = 16
    """Jobs in the engine at a time."""
    prefills: int = 2
    """Jobs whose prompt is read at a time: more of them would make running answers stall."""
    queue: int = 64
    """Jobs that wait."""
    queue_seconds: float = 10.0
    first_token_seconds: float = 20.0
    """From the request on, the wait in the queue included."""
    total_seconds: float = 120.0
    """From the request on."""


class QueueFullError(Exception):
    """As many jobs wait as may wait; try later or elsewhere."""


class Admission:
    """Holds back what the engine has no room for.

    Callers take turns, whoever asks most, and so do adapters that the engine cannot mix. Nobody
    overtakes the job whose turn it is, so a large one gets its room. A job keeps its room, prompt
    and longest answer, until it has left the engine.
    """

    def __init__(self, limits: Limits, facts: EngineFacts) -> None:
        self._facts = facts
        self._queue_length = limits.queue
        self._batch = min(limits.batch, facts.batch)
        self._prefills = limits.prefills
        self._waiting: OrderedDict[str, dict[str, Job]] = OrderedDict()
        self._pages: dict[str, int] = {}
        self._prefilling: set[str] = set()
        self._turns = Turns(self._batch)
        self.waiting = 0
        """Jobs in the queue."""

    @property
    def running(self) -> int:
        """Jobs in the engine."""
        return len(self._pages)

    @property
    def free_tokens(self) -> int:
        """Room of the engine that no job has taken."""
        return self._facts.pool_tokens - sum(self._pages.values()) * self._facts.page_tokens

    def check(self, job: Job) -> None:
        """Raise JobRefusedError if a job can never run here."""
        prompt, longest = len(job.prompt), len(job.prompt) + job.max_tokens
        if longest > self._facts.context_tokens:
            raise JobRefusedError(
                f"This model's maximum context length is {self._facts.context_tokens} tokens, "
                f"but {longest} were asked for: {prompt} in the prompt and {job.max_tokens} for "
                "the answer."
            )
        if self._room(job) * self._facts.page_tokens > self._facts.pool_tokens:
            raise JobRefusedError(
                f"This server holds {self._facts.pool_tokens} tokens at a time, "
                f"but {longest} were asked for: {prompt} in the prompt and {job.max_tokens} for "
                "the answer."
            )

    def add(self, job: Job, caller: str) -> Job | None:
        """Queue a job; returns the one that must go for it when the queue is full.

        That is the newest of the caller who has most waiting, so that nobody fills the queue for
        all. Raises JobRefusedError, or QueueFullError if that is this caller.
        """
        self.check(job)
        gone = None
        if self.waiting >= self._queue_length and (self.waiting or not self._fits(job)):
            gone = self._make_way(caller)
        self._waiting.setdefault(caller, {})[job.id] = job
        self._turns.queued(job.adapter)
        self.waiting += 1
        return gone

    def withdraw(self, job: str, caller: str) -> bool:
        """Take a job out of the queue; False if it waits there no more."""
        if job not in self._waiting.get(caller, {}):
            return False
        self._take(job, caller)
        return True

    def next(self) -> Job | None:
        """The job that may start now, if any; it has its room from here on."""
        caller, job = next(self._candidates(), ("", None))
        if job is None or not self._fits(job):
            return None
        if not self._pages:
            self._turns.begin(job.adapter)
        self._turns.started()
        self._waiting.move_to_end(caller)
        self._take(job.id, caller)
        self._pages[job.id] = self._room(job)
        self._prefilling.add(job.id)
        return job

    def holds(self, job: str) -> bool:
        """Whether a job has its room in the engine."""
        return job in self._pages

    def prefilled(self, job: str) -> None:
        """Let the next prompt be read."""
        self._prefilling.discard(job)

    def left(self, job: str) -> None:
        """Give a job's room back; repeating it does no harm."""
        self._pages.pop(job, None)
        self._prefilling.discard(job)

    def _candidates(self) -> Iterator[tuple[str, Job]]:
        """Jobs that wait for nothing but room, each with its caller; the first is next."""
        for caller, line in self._waiting.items():
            for job in line.values():
                if self._may_join(job):
                    yield caller, job

    def _may_join(self, job: Job) -> bool:
        is_free = self._facts.mixes_adapters or not self._pages
        return is_free or self._turns.has_place(job.adapter)

    def _fits(self, job: Job) -> bool:
        return (
            self._may_join(job)
            and len(self._pages) < self._batch
            and len(self._prefilling) < self._prefills
            and self._room(job) * self._facts.page_tokens <= self.free_tokens
        )

    def _room(self, job: Job) -> int:
        """Pages of a job's prompt and longest answer."""
        return -(-(len(job.prompt) + job.max_tokens) // self._facts.page_tokens)

    def _make_way(self, caller: str) -> Job:
        greediest = max(self._waiting, key=lambda each: len(self._waiting[each]), default=caller)
        longest = len(self._waiting.get(greediest, {}))
        if len(self._waiting.get(caller, {})) + 1 >= longest:
            raise QueueFullError
        return self._take(next(reversed(self._waiting[greediest])), greediest)

    def _take(self, job: str, caller: str) -> Job:
        line = self._waiting[caller]
        taken = line.pop(job)
        self._turns.taken(taken.adapter)
        self.waiting -= 1
        if not line:
            del self._waiting[caller]
        return taken
