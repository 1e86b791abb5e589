"""The answers that an AI bot still owes over its connection, in Redis.

The holder of the connection enters a question before it is accepted, and strikes it out when all of
its answer was sent; whoever holds the connection next goes on with what is entered.
"""

from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from core.errors import StoreUnavailableError
from core.messages import Address
from core.redis import UNAVAILABLE, Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer that is owed."""

    stream: str
    address: Address
    chat: str
    """Who is written to: the person or the group."""
    request: str = ""
    """The callback whose reply it is; empty where it can only be a message of its own."""


_OWED = TypeAdapter(Owed)


class Book:
    """What one bot owes. Raises StoreUnavailableError."""

    def __init__(self, store: Store, bot: str) -> None:
        self._store = store
        self._key = f"xq:wecom-aibot:{bot}:owed"

    async def enter(self, owed: Owed) -> None:
        """Enter an answer, or what has changed about it."""
        try:
            await self._store.hset(self._key, owed.stream, to_json(owed).decode())
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    async def strike(self, owed: Owed) -> None:
        """Strike out what was sent, or never will be."""
        try:
            await self._store.hdel(self._key, owed.stream)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    async def all(self) -> list[Owed]:
        """Everything that is owed; what another version entered in another shape stays for it."""
        try:
            entries = await self._store.hvals(self._key)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        return [owed for owed in map(_read, entries) if owed]


def _read(entry: str | bytes) -> Owed | None:
    try:
        return _OWED.validate_json(entry)
    except ValidationError:
        log.warning("an owed answer cannot be read")
        return None
