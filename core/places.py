"""How many turns one process works at a time; turns that wait for their platform hold no place."""

import asyncio

from core.lanes import Entry

RESTING_FOR_EACH = 16
"""Turns that may wait for their platforms, for each place."""


class Places:
    """The places of one process."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)
        self._most_resting = RESTING_FOR_EACH * number
        self._resting: set[Entry] = set()

    async def take(self) -> None:
        """Wait for a place."""
        await self._free.acquire()

    async def take_free(self) -> bool:
        """Take a place if one is free this moment."""
        return not self._free.locked() and await self._free.acquire()

    def leave(self, entry: Entry | None = None) -> None:
        """Give a place back, if the entry has one."""
        if entry in self._resting:
            self._resting.discard(entry)
        else:
            self._free.release()

    async def rest(self, entry: Entry, seconds: float) -> None:
        """Wait without a place; with it where too many do, so that no more turns are begun."""
        if len(self._resting) >= self._most_resting:
            await asyncio.sleep(seconds)
            return
        self._resting.add(entry)
        self._free.release()
        await asyncio.sleep(seconds)
        await self._free.acquire()  # cancelled here or above, `leave` knows there is no place
        self._resting.discard(entry)
