"""How far the event loop is behind: while it is, messages are accepted and no new turns begun.

Accepting and answering share a process and its loop. Under more load than one core can carry, turns
begun too eagerly would make every acknowledgement wait behind them; not begun, they wait in Redis.
The lag is the time that the loop takes to come round once, with all that is ready to run then. It
is measured when somebody asks, so that an idle process sleeps.
"""

import asyncio
import time

MOST_SECONDS = 0.01
FRESH_SECONDS = 0.1
"""So long after it was seen behind, the loop is taken to be so still."""


class Lag:
    """The lag of this process' loop."""

    def __init__(self) -> None:
        self._behind_until = 0.0

    def keeps_up(self) -> bool:
        """Whether the loop kept up when this was asked before; asking has it measured again."""
        began = time.monotonic()
        asyncio.get_running_loop().call_soon(self._note, began)
        return began >= self._behind_until

    async def settle(self) -> None:
        """Wait while the loop is behind; comes round at least once."""
        is_behind = True
        while is_behind:
            began = time.monotonic()
            await asyncio.sleep(0)
            is_behind = self._note(began)

    def _note(self, began: float) -> bool:
        """Whether coming round took too long since `began`; kept for those who cannot wait."""
        now = time.monotonic()
        is_behind = now - began > MOST_SECONDS
        self._behind_until = now + FRESH_SECONDS if is_behind else 0.0
        return is_behind
