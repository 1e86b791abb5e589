"""Work that follows an acknowledgement and that nobody waits for: a title, suggested prompts."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from bots.slack.api import SlackError
from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE

log = structlog.get_logger()

MOST = 200
SECONDS = 60.0


class Chores:
    """Small jobs with one owner. Too many are left undone: none of them is needed for an answer."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._open: set[asyncio.Task[None]] = set()

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Do it soon; what goes wrong is logged."""
        if len(self._open) >= MOST:
            job.close()
            log.warning("slack chores left undone", open=len(self._open))
            return
        task = self._group.create_task(_do(job))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    def cancel(self) -> None:
        """Give up what is open."""
        for task in self._open:
            task.cancel()


async def _do(job: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            await job
    except (SlackError, StoreUnavailableError, TimeoutError, *UNAVAILABLE) as error:
        log.warning("slack chore failed", error=str(error) or type(error).__name__)


@asynccontextmanager
async def open_chores() -> AsyncGenerator[Chores, None]:
    """Chores until the end of the body; those that are open then are given up."""
    try:
        async with asyncio.TaskGroup() as group:
            chores = Chores(group)
            try:
                yield chores
            finally:
                chores.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
