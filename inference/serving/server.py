"""A placement unit: a model that is loaded, warmed up, served and drained."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal

import structlog

from config.engine import EngineSettings
from inference.jobs.admission import Limits, QueueFullError
from inference.jobs.engine import EngineFacts, JobRefusedError
from inference.jobs.job import Job
from inference.jobs.loop import EngineLoop
from inference.jobs.metrics import Metrics
from inference.jobs.scheduler import Scheduler, TooSlowError
from inference.jobs.stream import JobStream
from inference.serving.errors import ApiError
from inference.serving.order import UnitHealth
from inference.serving.preparing import Served, warm_up_job
from inference.text.grammar import Grammars
from inference.text.tokenizer import ChatTokenizer

log = structlog.get_logger()

LOADING_RETRY_SECONDS = 5.0


class ModelServer:
    """What stands between the door and the engine."""

    def __init__(self, engine: EngineLoop, settings: EngineSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._scheduler: Scheduler | None = None
        self._served: Served | None = None
        self._state: Literal["loading", "ready", "draining", "broken"] = "loading"
        self._metrics = Metrics()

    @property
    def metrics(self) -> Metrics:
        """Its counters; the gauges are as of now."""
        self._metrics.loaded.set(self._engine.progress)
        self._metrics.silent.set(self._engine.silent_seconds)
        if self._scheduler is not None:
            self._metrics.waiting.set(self._scheduler.waiting)
            self._metrics.running.set(self._scheduler.running)
            self._metrics.free_tokens.set(self._scheduler.free_tokens)
        return self._metrics

    @property
    def health(self) -> UnitHealth:
        """How it is, by the heartbeat of the engine's thread and not by HTTP being alive."""
        silent = self._engine.silent_seconds
        is_dead = self._state == "ready" and not self._engine.is_alive
        is_hung = self._state == "ready" and silent > self._settings.hang_seconds
        return UnitHealth(
            state="broken" if is_dead or is_hung else self._state,
            progress=self._engine.progress,
            silent_seconds=silent,
            running=self._scheduler.running if self._scheduler else 0,
            waiting=self._scheduler.waiting if self._scheduler else 0,
        )

    @property
    def has_requests(self) -> bool:
        """Whether anybody waits for an answer or for its end."""
        return self._scheduler is not None and self._scheduler.has_requests

    @property
    def served(self) -> Served:
        """What it offers; raises ApiError 503 while the model is loaded."""
        if self._served is None:
            text = f"The model is being loaded ({self._engine.progress:.0%})."
            raise ApiError(503, text, code="loading", retry_seconds=LOADING_RETRY_SECONDS)
        return self._served

    async def open(self, tokenizer: ChatTokenizer, warm_up: Sequence[str] = ()) -> EngineFacts:
        """Wait for the engine, put system prompts into its cache, and begin to serve.

        Raises what the engine's loading raised.
        """
        grammars = await asyncio.to_thread(Grammars, tokenizer)
        facts = await self._engine.load()
        self._scheduler = Scheduler(self._engine, facts, _limits(self._settings), self._metrics)
        served = Served(
            name=_name(self._settings),
            tokenizer=tokenizer,
            grammars=grammars,
            facts=facts,
            answer_tokens=self._settings.answer_tokens,
        )
        for system in warm_up:
            await self._warm_up(self._scheduler, warm_up_job(served, system))
        self._served = served
        self._state = "ready"
        return facts

    def generate(self, job: Job, caller: str) -> AbstractAsyncContextManager[JobStream]:
        """Have a job done, see `Scheduler.generate`."""
        if self._scheduler is None:
            raise RuntimeError("no job before `open`")
        return self._scheduler.generate(job, caller)

    async def drain(self) -> None:
        """Take nothing new, and let open answers end, `drain_seconds` at most."""
        self._state = "draining"
        if self._scheduler is not None:
            await self._scheduler.drain(self._settings.drain_seconds)

    async def fail(self, error: Exception, seconds: float) -> None:
        """End all answers, for the engine has gone; wait so long at most until all are told."""
        self._state = "broken"
        if self._scheduler is not None:
            self._scheduler.fail(error)
            await self._scheduler.empty(seconds)

    async def _warm_up(self, scheduler: Scheduler, job: Job) -> None:
        """Read one prompt; one that fails only makes its first customer wait."""
        try:
            async with scheduler.generate(job, "warm-up") as stream:
                while not stream.is_complete:
                    await stream.read()
        except (JobRefusedError, QueueFullError, TooSlowError) as error:
            log.warning("prompt not warmed up", kind=type(error).__name__, tokens=len(job.prompt))


def _name(settings: EngineSettings) -> str:
    folder = settings.model_dir.name if settings.model_dir else "model"
    return settings.served_name or folder


def _limits(settings: EngineSettings) -> Limits:
    return Limits(
        batch=settings.batch,
        prefills=settings.prefills,
        queue=settings.queue,
        queue_seconds=settings.queue_seconds,
        first_token_seconds=settings.first_token_seconds,
        total_seconds=settings.total_seconds,
    )
