"""A visitor's conversations: their names, the list of them, and how one is removed.

All conversations of a visitor lie in the partition of the first one, so that a message and its
entry in the list are one step. Names are given out here and fit that partition; a name made up
elsewhere does not lead anywhere, and no name leads to another visitor's conversation.
"""

import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bots.web.events import CHANNEL, files_key, stop_key, stream_key
from core.errors import StoreUnavailableError
from core.memory import Memory
from core.messages import Address
from core.redis import UNAVAILABLE, Effect, Partition, Script, Store, partition_of, run_effects

HOME = "home"
"""The visitor's first conversation."""
MOST_LISTED = 100
TITLE_CHARACTERS = 80
FIRST_EVENTS = 5
"""Events among which a conversation's first question is looked for."""
_NAME = re.compile(r"[0-9a-f]{16}")

REMOVE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
run_effects(2, 1)
return 1
"""


class UnknownConversationError(Exception):
    """The visitor has no conversation of that name; answer 404."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in the list; times are in seconds since 1970."""

    id: str
    title: str
    began: float
    last: float


class Conversations:
    """The conversations of all visitors."""

    def __init__(self, store: Store, memory: Memory, partitions: int, history_hours: float) -> None:
        self._store = store
        self._memory = memory
        self._partitions = partitions
        self._lifetime_ms = str(int(history_hours * 3_600_000))
        self._remove = Script(store, REMOVE)

    def address(self, account: str, visitor: str, name: str) -> Address:
        """Where a conversation lives; raises UnknownConversationError."""
        home = Address(CHANNEL, account, visitor, visitor)
        if name == HOME:
            return home
        address = Address(CHANNEL, account, visitor, visitor, thread=name)
        if not _NAME.fullmatch(name) or self._partition(address) != self._partition(home):
            raise UnknownConversationError
        return address

    def issue(self, account: str, visitor: str) -> str:
        """A name for a new conversation; nothing is kept of it before its first message."""
        while True:
            name = secrets.token_hex(8)
            try:
                self.address(account, visitor, name)
            except UnknownConversationError:
                continue
            return name

    def note(self, address: Address) -> list[Effect]:
        """The effects that put a conversation on its visitor's list."""
        if not address.thread:
            return []
        key = self._list_key(address)
        return [
            ("ZADD", key, "NX", f"{time.time():.0f}", address.thread),
            ("PEXPIRE", key, self._lifetime_ms),
        ]

    async def listed(self, account: str, visitor: str) -> list[Summary]:
        """The newest conversations that can still be read; raises StoreUnavailableError."""
        home = self.address(account, visitor, HOME)
        key = self._list_key(home)
        trim: Effect = ("ZREMRANGEBYRANK", key, "0", str(-MOST_LISTED - 1))
        _, names = await run_effects(self._store, [trim, ("ZREVRANGE", key, "0", "-1")])
        addresses = [home, *(self.address(account, visitor, name) for name in names)]
        asked = [effect for address in addresses for effect in self._ends(address)]
        said = await run_effects(self._store, asked)
        ends = zip(addresses, said[::2], said[1::2], strict=True)
        found = [_summary(address, first, last) for address, first, last in ends if first]
        return sorted(filter(None, found), key=lambda summary: summary.last, reverse=True)

    async def remove(self, address: Address) -> bool:
        """Remove all there is of a conversation; False while one of its messages is in work.

        Raises StoreUnavailableError.
        """
        partition = self._partition(address)
        gone = (stream_key, files_key, stop_key)
        effects = [
            *(("DEL", key(partition, address.key)) for key in gone),
            *self._memory.forget(address),
            ("ZREM", self._list_key(address), address.thread or HOME),
        ]
        try:
            return bool(await self._remove([partition.key("lane", address.key)], [], effects))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    def _ends(self, address: Address) -> list[Effect]:
        key = stream_key(self._partition(address), address.key)
        return [
            ("XRANGE", key, "-", "+", "COUNT", str(FIRST_EVENTS)),
            ("XREVRANGE", key, "+", "-", "COUNT", "1"),
        ]

    def _list_key(self, address: Address) -> str:
        home = Address(CHANNEL, address.account, address.chat, address.user)
        return self._partition(home).key("page-list", home.key)

    def _partition(self, address: Address) -> Partition:
        return partition_of(address.key, self._partitions)


def _summary(address: Address, first: Sequence[Any], last: Sequence[Any]) -> Summary | None:
    """A conversation by its first events and its last; None where no question is among them."""
    events = [json.loads(fields[1]) for _, fields in first]
    question = next((event for event in events if event["type"] == "question"), None)
    if question is None:
        return None
    names = ", ".join(file["name"] for file in question.get("files", ()))
    title = " ".join((question["text"] or names).split())[:TITLE_CHARACTERS]
    newest = int(str(last[0][0]).partition("-")[0]) / 1000
    return Summary(address.thread or HOME, title, question["at"], newest)
