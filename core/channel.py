"""What the core asks of a platform: bring replies to customers."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from core.enclosures import Enclosures
from core.messages import Address
from core.redis import Effect
from core.replies import ReplyEvent
from core.turn import Turn


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

    async def pause(self, seconds: float) -> None:
        """Wait for the platform, without keeping other channels' turns from being worked."""
        ...

    async def opened(self, surface: str) -> None:
        """Record what was opened on the platform."""
        ...

    async def write(self, effects: Sequence[Effect]) -> list[Any]:
        """Carry out effects of the conversation's partition; returns what each said."""
        ...

    async def delivered(self, parts: int, effects: Sequence[Effect] = ()) -> None:
        """Record how many parts have left in all, together with `effects`.

        An atomic channel calls it once, at the end; it happens with the step that ends the turn.
        """
        ...


class Channel(Protocol):
    """The sending half of a platform."""

    @property
    def is_atomic(self) -> bool:
        """Whether all of a reply leaves in one step, by effects alone: that which ends the turn."""
        ...

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Fetch what came with a turn; what cannot be had counts as unread. Bounded in time."""
        ...

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Bring an answer to the customer.

        `events` end in exactly one Done, at which the whole reply is stored already unless the
        channel is atomic; after a crash they may be that Done alone. Raises UndeliverableError when
        the platform will never take it, PlatformAwayError when it takes nothing for long, and
        StoppedError when the customer wants no more of it; it is then called again, for the end of
        the answer.
        """
        ...


class Channels:
    """Who answers where."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, str], Channel] = {}

    def add(self, channel: Channel, platform: str, account: str = "") -> None:
        """Name the channel of a platform's account, or of all accounts that have none."""
        self._channels[platform, account] = channel

    def of(self, address: Address) -> Channel:
        """The channel of an address; raises LookupError where none is set up any more."""
        platform, account = address.channel, address.account.partition("/")[0]
        channel = self._channels.get((platform, account)) or self._channels.get((platform, ""))
        if channel is None:
            raise LookupError(f"no channel is set up for {platform}:{address.account}")
        return channel
