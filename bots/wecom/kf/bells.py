"""The bells of kf accounts that were not answered yet, and how far each account has been read."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Script, Store

ANSWER = """
local rung = redis.call('HGET', KEYS[1], 'bell')
if rung and rung ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'bell')
return 1
"""


@dataclass(frozen=True, slots=True)
class Bell:
    """What is known when a pull begins."""

    rung: str
    """What rang last; empty if nothing waits."""
    cursor: str
    """How far the account has been read; empty before the first time."""
    since: float = 0.0
    """What was said before is passed over, until all of the first time was read."""

    @property
    def token(self) -> str:
        """What WeCom gave with the bell; it is good for ten minutes."""
        return self.rung.partition(" ")[2]


class Bells:
    """Of one corp; every method raises StoreUnavailableError."""

    def __init__(self, store: Store, corp: str) -> None:
        self._store = store
        self._corp = corp
        self._noted: set[str] = set()
        self._rung_key = f"xq:wecom:{{{corp}}}:rung"
        self._answer = Script(store, ANSWER)

    def name(self, open_kfid: str) -> str:
        """What all keys of an account begin with."""
        return f"xq:wecom:{{{self._corp}/{open_kfid}}}"

    async def ring(self, open_kfid: str, token: str) -> None:
        """Note a bell in the place of an earlier one."""
        await _ask(self._store.hset(self._key(open_kfid), "bell", f"{time.time_ns()} {token}"))
        if open_kfid not in self._noted:
            await _ask(self._store.sadd(self._rung_key, open_kfid))
            self._noted.add(open_kfid)

    async def known(self) -> set[str]:
        """The accounts whose bell ever rang."""
        return set(await _ask(self._store.smembers(self._rung_key)))

    async def look(self, open_kfid: str) -> Bell:
        """The bell that waits and the cursor."""
        names = ("bell", "cursor", "since")
        rung, cursor, since = await _ask(self._store.hmget(self._key(open_kfid), names))
        return Bell(str(rung or ""), str(cursor or ""), float(since or 0.0))

    async def answered(self, open_kfid: str, bell: Bell) -> bool:
        """Take a bell away; False if another rang since."""
        return bool(await _ask(self._answer([self._key(open_kfid)], [bell.rung])))

    async def move_cursor(self, open_kfid: str, cursor: str, since: float = 0.0) -> None:
        """Note how far the account has been read, and what is passed over further on."""
        place: list[str] = ["cursor", cursor, "since", str(since)]
        await _ask(self._store.hset(self._key(open_kfid), items=place))

    def _key(self, open_kfid: str) -> str:
        return f"{self.name(open_kfid)}:kf"


async def _ask(command: Awaitable[Any] | Any) -> Any:  # noqa: ANN401 - as redis-py types them
    try:
        return await command
    except UNAVAILABLE as error:
        raise StoreUnavailableError from error
