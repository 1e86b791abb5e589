"""Leads jobs from the requests to the engine, and its events back to the requests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import structlog

from inference.jobs.admission import Admission, Limits, QueueFullError
from inference.jobs.engine import EngineFacts
from inference.jobs.fold import Fold
from inference.jobs.job import Ended, Event, Job, Piece, Prefilled
from inference.jobs.loop import EngineLoop
from inference.jobs.metrics import Metrics
from inference.jobs.stream import JobStream

log = structlog.get_logger()

Stage = Literal["queued", "reading", "writing"]


class ClosedError(Exception):
    """No job is taken: the server stops."""


class TooSlowError(Exception):
    """A deadline passed; `stage` says what the job was at."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage = stage


@dataclass(slots=True, eq=False)
class _Request:
    """A job on its way, and its deadline, which moves with its stage."""

    stream: JobStream
    caller: str
    begun: float
    deadline: asyncio.Timeout
    stage: Stage = "queued"
    first_token: float = 0.0
    """When it came."""

    def enter(self, stage: Stage, seconds: float) -> None:
        """Go on to a stage that must end so many seconds after the request."""
        self.stage = stage
        if not self.deadline.expired():
            self.deadline.reschedule(self.begun + seconds)


class Scheduler:
    """Owns the queue and the streams of a loaded engine; everything happens on the event loop."""

    def __init__(
        self, engine: EngineLoop, facts: EngineFacts, limits: Limits, metrics: Metrics
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._metrics = metrics
        self._admission = Admission(limits, facts)
        self._fold = Fold(asyncio.get_running_loop())
        self._requests: dict[str, _Request] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed: Exception | None = None
        self.facts = facts
        """What the engine holds."""
        engine.listener = self

    @property
    def has_requests(self) -> bool:
        """Whether anybody waits for an answer or for its end."""
        return bool(self._requests)

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return self._admission.waiting

    @property
    def running(self) -> int:
        """Jobs in the engine."""
        return self._admission.running

    @property
    def free_tokens(self) -> int:
        """Room of the engine that no job has taken."""
        return self._admission.free_tokens

    async def drain(self, seconds: float) -> None:
        """Take no new jobs, and wait until none is left, so many seconds at most."""
        self._closed = ClosedError()
        await self.empty(seconds)

    async def empty(self, seconds: float) -> None:
        """Wait until no request is left, so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def fail(self, error: Exception) -> None:
        """End all jobs, and take no more."""
        self._closed = error
        for request in self._requests.values():
            request.stream.fail(error)

    @asynccontextmanager
    async def generate(self, job: Job, caller: str) -> AsyncGenerator[JobStream, None]:
        """Have a job done; leaving the context early ends it.

        Raises JobRefusedError, QueueFullError, ClosedError, TooSlowError, or what `fail` was told.
        """
        begun = asyncio.get_running_loop().time()
        deadline = asyncio.timeout_at(begun + self._limits.queue_seconds)
        request = _Request(JobStream(job), caller, begun, deadline)
        try:
            async with deadline:
                self._take(request)
                try:
                    yield request.stream
                finally:
                    self._leave(request)
        except TimeoutError:
            raise TooSlowError(request.stage) from None

    def deliver(self, events: list[Event]) -> None:
        """Take the events of one step; called by the engine's loop."""
        for event in events:
            if isinstance(event, Ended):
                self._admission.left(event.job)
                if event.reason == "failed":
                    log.warning("job failed", job=event.job, fault=event.fault)
            elif isinstance(event, Prefilled):
                self._admission.prefilled(event.job)
            if (request := self._requests.get(event.job)) is not None:
                is_first = isinstance(event, Piece) and request.stage == "reading"
                if is_first:
                    self._begin_writing(request)
                elif isinstance(event, Ended) and request.stage == "writing":
                    self._measure(request, event)
                is_edge = is_first or isinstance(event, Ended)
                self._fold.add(request.stream, event, at_once=is_edge)
        self._fold.end_step()
        self._metrics.count(events)
        self._start_next()

    def _take(self, request: _Request) -> None:
        if self._closed is not None:
            raise self._closed
        pushed_out = self._admission.add(request.stream.job, request.caller)
        self._requests[request.stream.job.id] = request
        self._idle.clear()
        if pushed_out is not None:
            self._requests[pushed_out.id].stream.fail(QueueFullError())
        self._start_next()

    def _start_next(self) -> None:
        while (job := self._admission.next()) is not None:
            request = self._requests[job.id]
            request.enter("reading", self._limits.first_token_seconds)
            self._metrics.queued.observe(asyncio.get_running_loop().time() - request.begun)
            self._engine.start(job)

    def _begin_writing(self, request: _Request) -> None:
        request.enter("writing", self._limits.total_seconds)
        request.first_token = asyncio.get_running_loop().time()
        self._metrics.first_token.observe(request.first_token - request.begun)

    def _measure(self, request: _Request, end: Ended) -> None:
        if end.completion_tokens > 1:
            seconds = asyncio.get_running_loop().time() - request.first_token
            self._metrics.token.observe(seconds / (end.completion_tokens - 1))

    def _leave(self, request: _Request) -> None:
        """Forget a request; what is left of its job is freed before the engine's next step."""
        job = request.stream.job.id
        del self._requests[job]
        if not self._requests:
            self._idle.set()
        if self._admission.holds(job):
            self._engine.cancel(job)
        else:
            self._admission.withdraw(job, request.caller)
            self._start_next()
