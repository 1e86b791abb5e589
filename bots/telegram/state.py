"""What one bot must remember of chats, in Redis: all replicas need it and it outlives them."""

from collections.abc import Awaitable
from typing import Any, TypeVar

from bots.telegram.updates import Connection
from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Store

EDIT_SECONDS = 86_400
"""Longer than a question is ever answered."""
ALBUM_SECONDS = 600
"""Parts of an album come within a second or two, or when we are back."""

Said = TypeVar("Said")


class State:
    """Groups that moved, business connections, albums and edits of one bot."""

    def __init__(self, store: Store, bot: int) -> None:
        self._store = store
        self._prefix = f"xq:telegram:{bot}"

    async def move(self, old: int, new: int) -> None:
        """Note that a group has a new number; raises StoreUnavailableError."""
        await _ask(self._store.hset(f"{self._prefix}:homes", str(new), str(old)))

    async def home(self, chat: int) -> int:
        """The number by which a chat's conversations are known; raises StoreUnavailableError."""
        if chat > -1_000_000_000_000:  # only supergroups were something else before
            return chat
        return int(await _ask(self._store.hget(f"{self._prefix}:homes", str(chat))) or chat)

    async def connect(self, connection: Connection) -> None:
        """Note what a business connection may do; raises StoreUnavailableError."""
        allowed = "reply" if connection.may_reply else "no"
        await _ask(self._store.hset(f"{self._prefix}:business", connection.id, allowed))

    async def may_reply(self, connection: str) -> bool | None:
        """Whether the bot may answer there, None if unknown; raises StoreUnavailableError."""
        allowed = await _ask(self._store.hget(f"{self._prefix}:business", connection))
        return None if allowed is None else allowed == "reply"

    async def ask_again(self, message: str, again: str) -> None:
        """Note that an edited message is asked under a new id; raises StoreUnavailableError."""
        await _ask(self._store.set(f"{self._prefix}:again:{message}", again, ex=EDIT_SECONDS))

    async def latest(self, message: str) -> str:
        """The id under which a message was last asked; raises StoreUnavailableError."""
        return str(await _ask(self._store.get(f"{self._prefix}:again:{message}")) or message)

    async def leads_album(self, album: str, message: str) -> bool:
        """Whether a message is the first of its album; raises StoreUnavailableError."""
        key = f"{self._prefix}:album:{album}"
        if await _ask(self._store.set(key, message, nx=True, ex=ALBUM_SECONDS)):
            return True
        return bool(await _ask(self._store.get(key)) == message)


async def _ask(command: Awaitable[Said] | Any) -> Any:  # noqa: ANN401 - as redis-py types them
    try:
        return await command
    except UNAVAILABLE as error:
        raise StoreUnavailableError from error
