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

    def __init__(self, inbox: Inbox, lease: Lease, rest: Rest, *, is_atomic: bool) -> None:
        """What an atomic channel writes last becomes `due`, and is done with the turn's last step.

        So a turn takes a step less, and its reply is not stored only to be removed again.
        """
        self._inbox = inbox
        self.lease = lease
        self._rest = rest
        self._is_atomic = is_atomic
        self._unstored: tuple[Reply, int] | None = None
        self.due: list[Effect] = []
        self.reply_id = lease.messages[0].id
        self.sent = lease.sent
        self.surface = lease.surface

    async def store(self, reply: Reply, count: int) -> None:
        """Store the finished reply to `count` messages, so that its rest follows after a crash.

        An atomic channel's is stored by `settle` alone: there is nothing of it that has left.
        """
        if self._is_atomic:
            self._unstored = reply, count
        else:
            await self._commit(_stored(reply, count))

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
        if self._is_atomic:
            self.due += effects
        else:
            await self._commit({"sent": parts}, effects)
        self.sent = parts

    async def settle(self) -> None:
        """Do what is due, because the turn's last step has to wait."""
        if self._unstored:
            await self._commit(_stored(*self._unstored) | {"sent": self.sent}, self.due)
            self._unstored = None
            self.due = []

    async def _commit(
        self, record: dict[str, str | int], effects: Sequence[Effect] = ()
    ) -> list[Any]:
        return await self._inbox.commit(self.lease, record, effects)


def _stored(reply: Reply, count: int) -> dict[str, str | int]:
    return {"reply": reply.to_json(), "count": count}
