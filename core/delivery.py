"""The delivery record of a turn in work, as its channel sees it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from core.inbox import Entry, Inbox, Lease
from core.redis import Effect

Rest = Callable[[Entry, float], Awaitable[None]]


class LeaseDelivery:
    """The delivery record of a turn in work, as its channel sees it."""

    def __init__(self, inbox: Inbox, lease: Lease, rest: Rest) -> None:
        self._inbox = inbox
        self._lease = lease
        self._rest = rest
        self.reply_id = lease.messages[0].id
        self.sent = lease.sent
        self.surface = lease.surface

    async def pause(self, seconds: float) -> None:
        """Wait for the platform, without keeping other channels' turns from being worked."""
        await self._rest(self._lease.entry, seconds)

    async def opened(self, surface: str) -> None:
        """Record what was opened on the platform."""
        await self._inbox.commit(self._lease, {"surface": surface})
        self.surface = surface

    async def write(self, effects: Sequence[Effect]) -> list[Any]:
        """Carry out effects of the conversation's partition; returns what each said."""
        return await self._inbox.commit(self._lease, {}, effects)

    async def delivered(self, parts: int, effects: Sequence[Effect] = ()) -> None:
        """Record how many parts have left in all, together with `effects`."""
        await self._inbox.commit(self._lease, {"sent": parts}, effects)
        self.sent = parts
