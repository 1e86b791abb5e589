"""The words of lanes: what is accepted, announced, taken and leased."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.messages import Message
from core.redis import Effect, Partition
from core.replies import Reply


class Receipt(StrEnum):
    """What became of a message offered to the inbox."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LANE_FULL = "lane_full"
    BACKLOG_FULL = "backlog_full"


class Amendment(StrEnum):
    """What became of a message that its sender edited or deleted."""

    AMENDED = "amended"
    IN_WORK = "in_work"
    """Its answer is being thought of; an edited text can be accepted as a new message."""
    ANSWERED = "answered"
    """Its answer stands, or nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An announced lane in this worker's hands; not yet begun."""

    partition: Partition
    id: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work one lane, with its waiting messages and what earlier attempts left."""

    entry: Entry
    fence: str
    attempt: int
    messages: tuple[Message, ...]
    reply: Reply | None
    count: int
    """How many of `messages` the stored reply answers; 0 without one."""
    sent: int
    """Parts of the stored reply that have left."""
    surface: str
    """Id of what an earlier attempt opened on the platform; empty if nothing."""
    said: Sequence[Any] = ()
    """The answers to the worker's inquiry."""


Inquiry = Callable[[str], Sequence[Effect]]
"""What a worker wants to know of a conversation when its turn begins: effects that say it."""


@dataclass(slots=True)
class Seat:
    """A worker's place, kept for the lane that an accepted message may hand to it."""

    worker: str
    inquiry: Inquiry
    entry: Entry | None = None
    """The lane that was handed over, if one was."""
    lease: Lease | None = None
    """Set if its turn has begun in the same step."""


def nothing(_: str) -> Sequence[Effect]:
    """The inquiry that asks nothing."""
    return ()


@asynccontextmanager
async def nobody(_: Partition) -> AsyncGenerator[None, None]:
    """The seats of a process that answers no conversations."""
    yield None
