"""How far the event loop is behind: while it is, messages are accepted and no new turns begun.

Accepting and answering share a process and its loop. Under more load than one core can carry, turns
begun too eagerly would make every acknowledgement wait behind them; not begun, they wait in Redis.
"""

import asyncio

STEP_SECONDS = 0.01
MOST_SECONDS = 0.01


class Lag:
    """The lag of this process' loop, measured while somebody watches."""

    def __init__(self) -> None:
        self._is_small = asyncio.Event()
        self._is_small.set()

    async def watch(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + STEP_SECONDS
            await asyncio.sleep(STEP_SECONDS)
            if loop.time() - due > MOST_SECONDS:
                self._is_small.clear()
            else:
                self._is_small.set()

    @property
    def is_small(self) -> bool:
        """Whether the loop keeps up."""
        return self._is_small.is_set()

    async def settle(self) -> None:
        """Wait while the loop is behind."""
        await self._is_small.wait()
