"""The bells of kf accounts that were not answered yet, and how far each account has been read."""

import time
from collections.abc import Awaitable
from typing import Any

from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Script, Store

ANSWER = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and 1 or 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
"""


class Bells:
    """Of one corp; every method raises StoreUnavailableError."""

    def __init__(self, store: Store, corp: str) -> None:
        self._store = store
        self._answer = Script(store, ANSWER)
        self._bells = f"xq:wecom:{{{corp}}}:bells"
        self._cursors = f"xq:wecom:{{{corp}}}:cursors"

    async def ring(self, open_kfid: str, token: str) -> None:
        """Note a bell in the place of an earlier one."""
        await _ask(self._store.hset(self._bells, open_kfid, f"{time.time_ns()} {token}"))

    async def rung(self, open_kfid: str) -> str:
        """The bell that waits; empty if none does."""
        return str(await _ask(self._store.hget(self._bells, open_kfid)) or "")

    async def answered(self, open_kfid: str, bell: str) -> bool:
        """Take a bell away; False if another rang since."""
        return bool(await _ask(self._answer([self._bells], [open_kfid, bell])))

    async def known(self) -> set[str]:
        """The accounts whose bell rang or that have been read."""
        rung = await _ask(self._store.hkeys(self._bells))
        return {*rung, *await _ask(self._store.hkeys(self._cursors))}

    async def cursor(self, open_kfid: str) -> str:
        """How far an account has been read; empty before the first time."""
        return str(await _ask(self._store.hget(self._cursors, open_kfid)) or "")

    async def move_cursor(self, open_kfid: str, cursor: str) -> None:
        """Note how far it has been read."""
        await _ask(self._store.hset(self._cursors, open_kfid, cursor))

    @staticmethod
    def token(bell: str) -> str:
        """What WeCom gave with a bell; it is good for ten minutes."""
        return bell.partition(" ")[2]


async def _ask(command: Awaitable[Any] | Any) -> Any:  # noqa: ANN401 - as redis-py types them
    try:
        return await command
    except UNAVAILABLE as error:
        raise StoreUnavailableError from error
