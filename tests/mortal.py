"""Parts that die at a given step, as a process does that is killed there."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from typing_extensions import override

from config.settings import InboxSettings
from core.inbox import Inbox
from core.lanes import Receipt
from core.messages import Message
from core.redis import Effect, Store, run_effects
from core.replies import Done, Origin, Outcome, Reply, ReplyEvent


class KilledError(Exception):
    """The process is gone."""


class Life:
    """Counts the steps of all parts that share it, and ends at one of them."""

    def __init__(self, dies_at: int = 0) -> None:
        self.steps = 0
        self._dies_at = dies_at

    def step(self) -> None:
        """Go on, or die."""
        self.steps += 1
        if self.steps == self._dies_at:
            raise KilledError


class MortalInbox(Inbox):
    """Dies before a message is written down, or right after."""

    def __init__(self, store: Store, partitions: int, life: Life) -> None:
        super().__init__(store, InboxSettings(), partitions)
        self._life = life

    @override
    async def accept(self, message: Message, effects: Sequence[Effect] = ()) -> Receipt:
        """See `Inbox.accept`."""
        self._life.step()
        receipt = await super().accept(message, effects)
        self._life.step()
        return receipt


class Record:
    """A delivery record whose worker dies before a step of its is written down, or right after."""

    def __init__(self, store: Store, reply_id: str = "r1") -> None:
        self.reply_id = reply_id
        self.sent = 0
        self.surface = ""
        self.waited = 0.0
        self.life = Life()
        self._store = store

    async def pause(self, seconds: float) -> None:
        """Take the time as passed."""
        self.waited += seconds
        await asyncio.sleep(0)

    async def opened(self, surface: str) -> None:
        """See `core.channel.Delivery`."""
        self.life.step()
        self.surface = surface
        self.life.step()

    async def write(self, effects: Sequence[Effect]) -> list[Any]:
        """See `core.channel.Delivery`."""
        await run_effects(self._store, effects)
        return []

    async def delivered(self, parts: int, effects: Sequence[Effect] = ()) -> None:
        """See `core.channel.Delivery`."""
        self.life.step()
        await self.write(effects)
        self.sent = parts
        self.life.step()


def reply_of(text: str) -> Reply:
    """A finished answer."""
    return Reply(text, Outcome.ANSWERED, Origin.MODEL, "zh", "shop", "1")


async def ready(reply: Reply) -> AsyncGenerator[ReplyEvent, None]:
    """The events of an answer that was finished in an earlier attempt."""
    yield Done(reply)
