"""What the core asks of a platform: bring replies to customers."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from core.messages import Address
from core.redis import Effect
from core.replies import ReplyEvent


class Delivery(Protocol):
    """The delivery record of one reply, kept in Redis beside its lane.

    After a crash the next worker gets the same record: a channel goes on from `sent` and `surface`.
    Every method raises LeaseLostError when another worker has taken over; then stop at once.
    """

    @property
    def reply_id(self) -> str:
        """The same for every attempt at this reply."""
        ...

    @property
    def sent(self) -> int:
        """Parts that left in earlier attempts."""
        ...

    @property
    def surface(self) -> str:
        """Id of the message or stream an earlier attempt opened; empty if none."""
        ...

    async def opened(self, surface: str) -> None:
        """Record what was opened on the platform."""
        ...

    async def write(self, effects: Sequence[Effect]) -> list[Any]:
        """Carry out effects of the conversation's partition; returns what each said."""
        ...

    async def delivered(self, parts: int, effects: Sequence[Effect] = ()) -> None:
        """Record how many parts have left in all, together with `effects`."""
        ...


class Channel(Protocol):
    """One platform."""

    @property
    def name(self) -> str:
        """The channel part of its addresses."""
        ...

    async def reply(
        self, to: Address, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Bring an answer to the customer.

        `events` end in exactly one Done, at which the whole reply is stored already; after a crash
        they may be that Done alone. Raises UndeliverableError when the platform will never take it.
        """
        ...
