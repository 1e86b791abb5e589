"""Brings the events of many jobs to their streams: what one answer says in one moment together.

An engine says a token of every answer every few milliseconds. Nobody reads so fast, and to write
and read each by itself costs server and client more than anything else they do with it.
"""

import asyncio

from inference.jobs.job import Event
from inference.jobs.stream import JobStream

FOLD_SECONDS = 0.015
"""Streams are flushed with a step's events if they have not been for so long."""
LATEST_SECONDS = 0.03
"""So long after the last time they are flushed though no step has ended: a long one may be on."""


class Fold:
    """The events that streams have not been told yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: set[JobStream] = set()
        self._flushed = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: JobStream, event: Event, *, at_once: bool) -> None:
        """Take an event; `at_once` its stream is told it now, with all before it."""
        stream.put(event)
        if at_once:
            stream.flush()
            self._held.discard(stream)
        else:
            self._held.add(stream)

    def end_step(self) -> None:
        """All events of a step were added."""
        if not self._held:
            return
        if self._loop.time() - self._flushed >= FOLD_SECONDS:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._flushed + LATEST_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushed = self._loop.time()
        for stream in self._held:
            stream.flush()
        self._held.clear()
