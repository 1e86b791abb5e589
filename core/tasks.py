"""Work beside work, with one owner."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_CANCEL_AGAIN_SECONDS = 0.1


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[asyncio.Task[None], None]:
    """Run `work` beside the body and stop it at the body's end; either's error ends both.

    The error comes out as itself and not in a group, so that callers can tell what happened.
    """
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            try:
                yield task
            finally:
                task.cancel()
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
