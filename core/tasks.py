"""Work beside work, with one owner."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

Work = Coroutine[Any, Any, None]

_CANCEL_AGAIN_SECONDS = 0.1


class Aside:
    """Work that may have to be done beside a body; `aside` makes it."""

    def __init__(self, group: asyncio.TaskGroup, work: Callable[[], Work]) -> None:
        self._group = group
        self._work = work
        self._is_over = False
        self.task: asyncio.Task[None] | None = None
        """Set once the work has begun."""

    def begin(self) -> None:
        """Begin, unless that was done before or the work is not wanted any more."""
        if self.task is None and not self._is_over:
            self.task = self._group.create_task(self._work())

    def end(self) -> None:
        """Stop the work, or never begin it."""
        self._is_over = True
        if self.task is not None:
            self.task.cancel()


@asynccontextmanager
async def aside(work: Callable[[], Work]) -> AsyncGenerator[Aside, None]:
    """Have `work` at hand beside the body and end it at the body's end; either's error ends both.

    The error comes out as itself and not in a group, so that callers can tell what happened.
    """
    async with _plain_group() as group:
        later = Aside(group, work)
        try:
            yield later
        finally:
            later.end()


@asynccontextmanager
async def beside(work: Work) -> AsyncGenerator[asyncio.Task[None], None]:
    """Run `work` beside the body from the start; the rest is as with `aside`."""
    async with _plain_group() as group:
        task = group.create_task(work)
        try:
            yield task
        finally:
            task.cancel()


@asynccontextmanager
async def _plain_group() -> AsyncGenerator[asyncio.TaskGroup, None]:
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def cancel_all(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: again, where the first time was swallowed on the way.

    For work that may be broken off anywhere; see `honour_cancellation` for who swallows.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_SECONDS)


def honour_cancellation() -> None:
    """Raise a cancellation of this task that was swallowed on the way.

    `asyncio.wait_for` of Python 3.11, which redis-py uses for every write, loses one that arrives
    in the moment its own work ends (python/cpython#86296). Loops over such calls ask here.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
