"""Tasks that follow an acknowledgement and that nobody waits for: a title, suggested prompts."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from bots.slack.api import SlackError
from core.errors import StoreUnavailableError, trace
from core.redis import UNAVAILABLE

log = structlog.get_logger()

MOST = 200
SECONDS = 60.0


class BackgroundTasks:
    """Small tasks with one owner. Too many are left undone: no answer needs any of them."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._open: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it soon; what goes wrong is logged."""
        if len(self._open) >= MOST:
            work.close()
            log.warning("slack background task left undone", open=len(self._open))
            return
        task = self._group.create_task(_run(work))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    def cancel(self) -> None:
        """Give up what is open."""
        for task in self._open:
            task.cancel()


async def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            await work
    except (SlackError, StoreUnavailableError, TimeoutError, *UNAVAILABLE) as error:
        log.warning("slack background task failed", error=str(error) or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - what no answer needs must not end the account
        log.error("slack background task failed", error=trace(error))  # noqa: TRY400


@asynccontextmanager
async def open_background() -> AsyncGenerator[BackgroundTasks, None]:
    """Tasks until the end of the body; those that are open then are given up."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = BackgroundTasks(group)
            try:
                yield tasks
            finally:
                tasks.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
