"""One job's events, from the engine's callback to the request that reads them."""

import asyncio

from inference.jobs.job import Ended, Event, Job

AT_ONCE = 64
"""Events that are read together at most: to write down more of them would take milliseconds."""


class JobStream:
    """Events of a job; what came while its reader was busy is read together.

    A slow reader thus costs nobody else anything: a stream holds one answer at most.
    """

    __slots__ = ("_broken", "_events", "_waiter", "is_complete", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self._events: list[Event] = []
        self._waiter: asyncio.Future[None] | None = None
        self._broken: Exception | None = None
        self.is_complete = False
        """Whether the last event was read."""

    def put(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)
        self._wake()

    def fail(self, error: Exception) -> None:
        """Let the reader meet an error once it has read what came before."""
        self._broken = error
        self._wake()

    async def read(self) -> list[Event]:
        """Wait for the next events; raises what `fail` was told."""
        while not self._events:
            if self._broken is not None:
                raise self._broken
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        events, self._events = self._events[:AT_ONCE], self._events[AT_ONCE:]
        self.is_complete = isinstance(events[-1], Ended)
        return events

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
