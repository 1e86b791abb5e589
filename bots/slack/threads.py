"""The channel threads XiaoQ takes part in: what is said there is answered without a mention."""

from core.errors import StoreUnavailableError
from core.inbox import Inbox
from core.messages import Address
from core.redis import UNAVAILABLE, Effect, Store

KEPT_SECONDS = 30 * 86_400
"""After the last question; then a mention is needed again."""


class Threads:
    """Kept beside the conversation, so that joining one is part of accepting its message."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox

    def joining(self, address: Address) -> list[Effect]:
        """The effect that remembers a thread, for `inbox.accept`; none for anything else."""
        if address.user:
            return []
        return [("SET", self._key(address), "", "EX", str(KEPT_SECONDS))]

    async def takes_part(self, address: Address) -> bool:
        """Whether it was asked something in this thread. Raises StoreUnavailableError."""
        try:
            return bool(await self._store.exists(self._key(address)))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    async def is_new(self, address: Address) -> bool:
        """Whether this is asked of a thread for the first time. Raises StoreUnavailableError."""
        key = self._inbox.partition(address.key).key("slack-title", address.key)
        try:
            return bool(await self._store.set(key, "", nx=True, ex=KEPT_SECONDS))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    def _key(self, address: Address) -> str:
        return self._inbox.partition(address.key).key("slack-thread", address.key)
