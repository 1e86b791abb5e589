"""What is known of a customer's session, in Redis: all replicas need it and it outlives them.

One hash in the conversation's partition, so that it changes with the step that makes it change.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bots.wecom.kf.events import Customer
from core.errors import StoreUnavailableError
from core.inbox import Inbox
from core.redis import UNAVAILABLE, Effect, Store, run_effects

KEPT_SECONDS = 3 * 86_400
FRESH_SECONDS = 60.0
"""A state is asked of WeCom again after so long."""
BUDGET = 5
"""Messages to a customer for each one from the customer
(developer.work.weixin.qq.com/document/path/94677)."""
RESERVE = 1
"""Messages of them that are left for saying that a colleague takes over."""
ANSWER_SECONDS = 48 * 3_600
"""A customer can be written to for so long after the last message."""


class State(IntEnum):
    """Whose a session is (`service_state`)."""

    NEW = 0
    ASSISTANT = 1
    """Ours."""
    POOL = 2
    SERVICER = 3
    ENDED = 4


HELD = {State.POOL, State.SERVICER}
"""A person has the customer, or will have."""
LASTING = {State.ASSISTANT, *HELD}


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a session."""

    sent: int = 0
    """Messages that we sent since the customer wrote last."""
    written_at: float = 0.0
    state: State | None = None
    state_at: float = 0.0
    source: str = ""

    @property
    def is_fresh(self) -> bool:
        """Whether the state can be relied upon; a message of the customer changes the others."""
        return self.state in LASTING and time.time() - self.state_at < FRESH_SECONDS

    @property
    def is_held(self) -> bool:
        """Whether a person had the customer when it was last heard of."""
        return self.state in HELD

    @property
    def left(self) -> int:
        """Messages that may still be sent."""
        return BUDGET - self.sent


class Records:
    """Reads and writes records; every method raises StoreUnavailableError."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox

    async def load(self, customer: Customer) -> Record:
        """What is known; an empty record if nothing."""
        names = ("sent", "written_at", "state", "state_at", "source")
        try:
            values = await self._store.hmget(self._key(customer), names)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        sent, written_at, state, state_at, source = values
        return Record(
            int(sent or 0),
            float(written_at or 0),
            State(int(state)) if state else None,
            float(state_at or 0),
            str(source or ""),
        )

    async def is_done(self, customer: Customer, name: str) -> bool:
        """Whether an item was acted on, or something was said to a customer, under this name."""
        try:
            return bool(await self._store.exists(self._done_key(customer, name)))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    async def write(self, effects: Sequence[Effect]) -> None:
        """Carry effects out by themselves."""
        await run_effects(self._store, effects)

    def done(self, customer: Customer, name: str) -> list[Effect]:
        """It is done, in the very step that does it; what the inbox takes it knows by itself."""
        return [("SET", self._done_key(customer, name), "", "EX", str(KEPT_SECONDS))]

    def wrote(self, customer: Customer, at: float) -> list[Effect]:
        """The customer wrote: all messages may be sent again."""
        return self._set(customer, sent="0", written_at=str(at), source="")

    def counted(self, customer: Customer) -> list[Effect]:
        """A message was sent."""
        return [("HINCRBY", self._key(customer), "sent", "1")]

    def moved(self, customer: Customer, state: State) -> list[Effect]:
        """The session is in a state now."""
        return self._set(customer, state=str(int(state)), state_at=str(time.time()))

    def came_from(self, customer: Customer, source: str) -> list[Effect]:
        """Where the customer came from, for the next message."""
        return self._set(customer, source=source)

    def _set(self, customer: Customer, **fields: str) -> list[Effect]:
        key = self._key(customer)
        pairs = [part for pair in fields.items() for part in pair]
        return [("HSET", key, *pairs), ("EXPIRE", key, str(KEPT_SECONDS))]

    def _done_key(self, customer: Customer, name: str) -> str:
        partition = self._inbox.partition(customer.address.key)
        return partition.key("kf-item", f"{customer.open_kfid}/{name}")

    def _key(self, customer: Customer) -> str:
        conversation = customer.address.key
        return self._inbox.partition(conversation).key("kf", conversation)
