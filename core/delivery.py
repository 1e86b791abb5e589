"""The delivery record of a turn in work, as its channel sees it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from core.inbox import Inbox
from core.lanes import Entry, Lease
from core.redis import Effect
from core.replies import Reply

Rest = Callable[[Entry, float], Awaitable[None]]


class LeaseDelivery:
    """The delivery record of a turn in work, as its channel sees it."""

    def __init__(self, inbox: Inbox, lease: Lease, rest: Rest) -> None:
        self._inbox = inbox
        self.lease = lease
        self._rest = rest
        self._owed: dict[str, str | int] = {}
        self.reply_id = lease.messages[0].id
        self.sent = lease.sent
        self.surface = lease.surface

    async def store(self, reply: Reply, count: int, *, at_once: bool) -> None:
        """Store the finished reply to `count` messages; else with the next step it is written in.

        `at_once` is for what leaves outside of Redis: after a crash the rest of it has to follow.
        """
        self._owed = {"reply": reply.to_json(), "count": count}
        if at_once:
            await self._commit({})

    async def pause(self, seconds: float) -> None:
        """Wait for the platform, without keeping other channels' turns from being worked."""
        await self._rest(self.lease.entry, seconds)

    async def opened(self, surface: str) -> None:
        """Record what was opened on the platform."""
        await self._commit({"surface": surface})
        self.surface = surface

    async def write(self, effects: Sequence[Effect]) -> list[Any]:
        """Carry out effects of the conversation's partition; returns what each said."""
        return await self._commit({}, effects)

    async def delivered(self, parts: int, effects: Sequence[Effect] = ()) -> None:
        """Record how many parts have left in all, together with `effects`."""
        await self._commit({"sent": parts}, effects)
        self.sent = parts

    async def _commit(
        self, record: dict[str, str | int], effects: Sequence[Effect] = ()
    ) -> list[Any]:
        said = await self._inbox.commit(self.lease, self._owed | record, effects)
        self._owed = {}
        return said
