"""Watch the files administrators edit, and take changes over while running."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog
from watchfiles import awatch

log = structlog.get_logger()

DEBOUNCE_MS = 300
STEP_MS = 200
RESCAN_SECONDS = 5.0

Reload = Callable[[], Awaitable[None]]


async def watch_files(watched: Sequence[tuple[Path, Reload]]) -> None:
    """Call a folder's `reload` soon after something in it changed, until cancelled.

    A folder that vanishes and comes back (a new mount, a checkout) is watched again.
    """
    async with asyncio.TaskGroup() as group:
        for folder, reload in watched:
            group.create_task(_watch(folder, reload))


async def _watch(folder: Path, reload: Reload) -> None:
    while True:
        try:
            async for _ in awatch(folder, debounce=DEBOUNCE_MS, step=STEP_MS):
                log.info("files changed", folder=str(folder))
                await reload()
                if not folder.exists():
                    break
        except (FileNotFoundError, RuntimeError) as error:  # watchfiles wraps the system's errors
            log.warning("folder cannot be watched", folder=str(folder), error=str(error))
        await asyncio.sleep(RESCAN_SECONDS)
        if folder.exists():
            await reload()
