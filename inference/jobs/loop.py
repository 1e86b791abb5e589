"""The thread that owns the engine: commands in, one step after another, events out.

The event loop never waits for the engine and the engine never for the event loop: commands go
through a queue, and all events of a step come with one callback.
"""

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog

from inference.jobs.engine import (
    Engine,
    EngineBrokenError,
    EngineFacts,
    JobRefusedError,
    OutOfMemoryError,
    Progress,
)
from inference.jobs.job import Ended, EndReason, Event, Job

log = structlog.get_logger()

IDLE_BEAT_SECONDS = 0.25
WATCH_SECONDS = 0.5
CLOSE_SECONDS = 10.0
MOST_RECOVERIES = 8
"""So often may memory run out without one good step between; then only a new process helps."""
MOST_FAILURES = 5
FAILURE_SECONDS = 60.0
"""So often in so long may a step end answers by a failure, and none go well between, until the
engine counts as broken: it may be alive and yet never answer again."""

Load = Callable[[Progress], Engine]


class EngineHungError(Exception):
    """The engine's thread shows no life: only the end of the process frees the card."""


class Listener(Protocol):
    """Hears what the engine does; called on the event loop."""

    def deliver(self, events: list[Event]) -> None:
        """Take the events of a step."""
        ...

    def fail(self, error: Exception) -> None:
        """Take note that no more events will come."""
        ...


class EngineLoop:
    """An engine in a thread of its own; `open_loop` makes it.

    Its methods are called on the event loop; nothing is started before it has a listener.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._commands: SimpleQueue[Job | str | None] = SimpleQueue()
        self._running: set[str] = set()
        self._recoveries = 0
        self._failures: deque[float] = deque(maxlen=MOST_FAILURES)
        self._loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[EngineFacts] = self._loop.create_future()
        self._ended: asyncio.Future[Exception | None] = self._loop.create_future()
        self._beat = time.monotonic()
        self._is_given_up = False
        self.listener: Listener | None = None
        self.progress = 0.0
        """Share of the model that is loaded."""
        self.thread = threading.Thread(target=self._main, name="engine", daemon=True)

    @property
    def facts(self) -> EngineFacts | None:
        """What the engine holds; None while it is loaded or if it could not be."""
        return self._loaded.result() if _came_well(self._loaded) else None

    @property
    def is_alive(self) -> bool:
        """True from the first step it can take to the last."""
        return self.facts is not None and not self._ended.done()

    @property
    def silent_seconds(self) -> float:
        """How long the thread has shown no life; it beats while idle, too."""
        return time.monotonic() - self._beat

    def start(self, job: Job) -> None:
        """Hand a job to the engine; its last event is an `Ended`."""
        self._commands.put(job)

    def cancel(self, job: str) -> None:
        """End a job before the next step; an `Ended` follows unless it has ended already."""
        self._commands.put(job)

    async def load(self) -> EngineFacts:
        """Wait until the model is loaded; raises what the loading raised."""
        await asyncio.wait([self._loaded])
        return self._loaded.result()

    async def watch(self, hang_seconds: float) -> None:
        """Return when the engine was closed; raises EngineHungError or what broke it."""
        while not self._ended.done():
            await asyncio.wait([self._ended], timeout=WATCH_SECONDS)
            if not self._ended.done() and self.facts and self.silent_seconds > hang_seconds:
                self._is_given_up = True
                raise EngineHungError(f"no step ended for {self.silent_seconds:.0f} s")
        if (error := self._ended.result()) is not None:
            raise error

    async def close(self) -> None:
        """Let the engine free its card.

        One that hangs or is still being loaded is left to the end of the process.
        """
        self._commands.put(None)
        if self.facts is not None and not self._is_given_up:
            await asyncio.wait([self._ended], timeout=CLOSE_SECONDS)

    def _main(self) -> None:
        try:
            engine = self._load(self._tell_progress)
            facts = engine.facts
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the load
            self._call(self._loaded.set_exception, error)
            self._call(self._end, error)
            return
        self._beat = time.monotonic()
        self._call(self._loaded.set_result, facts)
        self._call(self._end, self._work(engine))

    def _end(self, error: Exception | None) -> None:
        self._ended.set_result(error)
        if error is not None and self.listener is not None:
            self.listener.fail(error)

    def _work(self, engine: Engine) -> Exception | None:
        try:
            while self._take_commands(engine):
                if self._running:
                    self._post(self._step(engine))
            engine.close()
        except EngineBrokenError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine's state is unknown
            # Its text may quote a customer's; where it happened does not.
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            return EngineBrokenError(f"{type(error).__name__} in {last.name}, {place}")
        return None

    def _take_commands(self, engine: Engine) -> bool:
        """Do what was asked, waiting for it while nothing runs; False is the end."""
        wait = not self._running
        events: list[Event] = []
        while True:
            self._beat = time.monotonic()
            try:
                command = self._commands.get(wait, IDLE_BEAT_SECONDS)
            except Empty:
                break
            wait = False
            if command is None:
                return False
            if isinstance(command, Job):
                events += self._start(engine, command)
            elif command in self._running:
                self._running.discard(command)
                engine.cancel(command)
                events.append(Ended(command, "cancelled"))
        self._post(events)
        return True

    def _start(self, engine: Engine, job: Job) -> list[Event]:
        try:
            engine.start(job)
        except JobRefusedError as error:
            return [Ended(job.id, "refused", fault=str(error))]
        except OutOfMemoryError as error:
            return self._recover(engine, {*error.failed, job.id})
        self._running.add(job.id)
        return []

    def _step(self, engine: Engine) -> list[Event]:
        try:
            events = engine.step()
        except OutOfMemoryError as error:
            # An engine that cannot tell whose fault it was would meet it again with the same jobs.
            return self._recover(engine, set(error.failed) or set(self._running))
        self._recoveries = 0
        return events

    def _recover(self, engine: Engine, failed: set[str]) -> list[Event]:
        self._recoveries += 1
        if self._recoveries > MOST_RECOVERIES:
            raise EngineBrokenError("out of memory again and again")
        for job in failed:
            engine.cancel(job)
        engine.recover()
        log.warning("out of memory on the card", failed=len(failed), running=len(self._running))
        return [Ended(job, "out_of_memory") for job in sorted(failed)]

    def _post(self, events: list[Event]) -> None:
        self._beat = time.monotonic()
        ends = {event.job: event.reason for event in events if isinstance(event, Ended)}
        self._running.difference_update(ends)
        if events and self.listener is not None:
            self._call(self.listener.deliver, events)
        self._judge(set(ends.values()))

    def _judge(self, reasons: set[EndReason]) -> None:
        if reasons & {"stop", "length"}:
            self._failures.clear()
        elif "failed" in reasons:
            self._failures.append(self._beat)
            is_full = len(self._failures) == MOST_FAILURES
            if is_full and self._beat - self._failures[0] <= FAILURE_SECONDS:
                raise EngineBrokenError("one answer after another failed")

    def _tell_progress(self, share: float) -> None:
        self.progress = share

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            if not self._loop.is_closed():
                raise


@asynccontextmanager
async def open_loop(load: Load) -> AsyncGenerator[EngineLoop, None]:
    """Start an engine's thread, which begins to load at once; close it at the end."""
    loop = EngineLoop(load)
    loop.thread.start()
    try:
        yield loop
    finally:
        await loop.close()


def _came_well(future: asyncio.Future[EngineFacts]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
