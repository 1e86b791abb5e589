"""Work beside work, with one owner."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast

Work = Coroutine[Any, Any, None]

_CANCEL_AGAIN_SECONDS = 0.1


class Aside:
    """Work at hand beside a body, should it have to be done; it ends with the body at the latest.

    An error of either ends both, and comes out as itself and not in a group, so that callers can
    tell what happened.
    """

    def __init__(self, work: Callable[[], Work], after: float | None = None) -> None:
        """It begins by itself once the body has run for `after` seconds."""
        # All of these are let go of at the end: they mostly lead back to the object that has the
        # work at hand, and such circles would be left to the garbage collector.
        self._work: Callable[[], Work] | None = work
        self._due: asyncio.TimerHandle | None = None
        self._after = after
        self._group = asyncio.TaskGroup()
        self.task: asyncio.Task[None] | None = None
        """The work, from its beginning to the body's end."""

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        if self._after is not None:
            self._due = asyncio.get_running_loop().call_later(self._after, self.begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self.task = None

    def begin(self) -> None:
        """Begin, unless that was done before or the work is not wanted any more."""
        if self.task is None and self._work is not None:
            self.task = self._group.create_task(self._work())

    def end(self) -> None:
        """Stop the work, or never begin it."""
        self._work = None
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self.task is not None:
            self.task.cancel()


@asynccontextmanager
async def beside(work: Work) -> AsyncGenerator[asyncio.Task[None], None]:
    """Run `work` beside the body from the start; the rest is as with `Aside`."""
    async with Aside(lambda: work) as aside:
        aside.begin()
        yield cast(asyncio.Task[None], aside.task)  # it has just begun


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
