"""One job's events, from the engine's callback to the request that reads them."""

import asyncio
from collections.abc import Callable, Sequence

from inference.jobs.job import Ended, Event, Job

AT_ONCE = 64
"""Events that are read together at most: to write down more of them would take milliseconds."""

Sink = Callable[[Sequence[Event]], bool]
"""Takes events; False if it can take no more for now."""


class JobStream:
    """Events of a job; what came while its reader was busy is read together.

    A slow reader thus costs nobody else anything: a stream holds one answer at most.
    """

    __slots__ = ("_broken", "_events", "_sink", "_waiter", "is_complete", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self._events: list[Event] = []
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Sink | None = None
        self._broken: Exception | None = None
        self.is_complete = False
        """Whether the last event was read."""

    def put(self, event: Event) -> None:
        """Add an event, for the next `flush`; none is added after `fail`."""
        if self._broken is None:
            self._events.append(event)

    def flush(self) -> None:
        """Bring what was put to the sink or, if there is none, wake the reader."""
        if self._sink is not None and self._events:
            self._hand_over(self._sink)
        else:
            self._wake()

    def fail(self, error: Exception) -> None:
        """Let the reader meet an error once it has read what came before."""
        self._broken = error
        self._sink = None
        self._wake()

    async def read(self) -> list[Event]:
        """Wait for the next events; raises what `fail` was told."""
        while not self._events:
            await self._change()
        events, self._events = self._events[:AT_ONCE], self._events[AT_ONCE:]
        self.is_complete = isinstance(events[-1], Ended)
        return events

    async def pour(self, sink: Sink) -> None:
        """Hand events to `sink` in the callback that brings them, until it can take no more.

        To wake a reader for a token costs more than to write it down. Raises what `sink` raises or
        `fail` was told.
        """
        if self._events or self.is_complete:
            return
        self._sink = sink
        try:
            while self._sink is not None:
                await self._change()
        finally:
            self._sink = None
        if self._broken is not None and not (self._events or self.is_complete):
            raise self._broken

    async def _change(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _hand_over(self, sink: Sink) -> None:
        events, self._events = self._events, []
        try:
            has_room = sink(events)
        except Exception as error:  # noqa: BLE001 - the reader's, not the engine's
            self.fail(error)
            return
        self.is_complete = isinstance(events[-1], Ended)
        if self.is_complete or not has_room:
            self._sink = None
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
