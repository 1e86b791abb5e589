"""Everything that goes wrong with Telegram: outages, slowness, floods and the limits of rates."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from peers.telegram_chats import Chat
from peers.telegram_wire import too_many

Trouble = int | Literal["reset", "hang", "slow", "lost"]
"""A status, or: cut the connection, never answer, answer late, do it and then cut the connection.

After `lost` the message stands in the chat though its sender sees an error.
"""

ANY = "*"
LIMITED = {"sendMessage", "sendMessageDraft", "editMessageText", "editMessageReplyMarkup"}
"""Methods that count; Telegram does not say which do."""


@dataclass(slots=True)
class Fault:
    """What happens to the next calls of a method."""

    method: str
    trouble: Trouble
    times: int
    seconds: float = 0.0
    """How late a slow answer is."""


@dataclass(slots=True)
class Bucket:
    """An allowance that grows with time."""

    rate: float
    """Calls a second."""
    burst: float
    left: float
    at: float

    def wait(self, now: float) -> float:
        """Return the seconds until a call is allowed."""
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        return max(0.0, (1 - self.left) / self.rate)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much Telegram takes from one bot, after "My bot is hitting limits" in its FAQ for bots.

    One message a second to a chat with short bursts, 20 a minute to a group, 30 a second overall.
    """

    chat_per_second: float = 1.0
    chat_burst: float = 3.0
    group_per_minute: float = 20.0
    overall_per_second: float = 30.0


@dataclass(slots=True)
class Faults:
    """What is set to go wrong, and the counters of the limits."""

    clock: Callable[[], float] = time.monotonic
    scripted: list[Fault] = field(default_factory=list)
    floods: dict[int, float] = field(default_factory=dict)
    """Until when a chat is closed, by its id."""
    storm: list[int] = field(default_factory=list)
    """Seconds to wait that the next calls are told, one each."""
    _limits: RateLimits | None = None
    _buckets: dict[tuple[int, str, int], Bucket] = field(default_factory=dict)

    def limit(self, limits: RateLimits | None) -> None:
        """Count from now on; None takes everything."""
        self._limits = limits
        self._buckets.clear()

    def meet(self, method: str) -> Fault | None:
        """Return what is scripted for this call and count it."""
        for fault in self.scripted:
            if fault.method in {method, ANY} and fault.times > 0:
                fault.times -= 1
                if not fault.times:
                    self.scripted.remove(fault)
                return fault
        return None

    def check_rate(self, bot_id: int, method: str, chat: Chat | None) -> None:
        """Refuse a call that comes too soon."""
        if self.storm:
            raise too_many(self.storm.pop(0))
        now = self.clock()
        if chat is None or method not in LIMITED:
            return
        wait = self.floods.get(chat.id, now) - now
        if wait > 0:
            raise too_many(math.ceil(wait))
        if self._limits is not None:
            self._count(self._limits, bot_id, chat, now)

    def _count(self, limits: RateLimits, bot_id: int, chat: Chat, now: float) -> None:
        overall = limits.overall_per_second
        buckets = [
            self._bucket((bot_id, "chat", chat.id), limits.chat_per_second, limits.chat_burst, now),
            self._bucket((bot_id, "overall", 0), overall, overall, now),
        ]
        if not chat.private:
            minute = limits.group_per_minute
            buckets.append(self._bucket((bot_id, "group", chat.id), minute / 60, minute, now))
        wait = max(bucket.wait(now) for bucket in buckets)
        if wait > 0:
            raise too_many(math.ceil(wait))
        for bucket in buckets:
            bucket.left -= 1

    def _bucket(self, key: tuple[int, str, int], rate: float, burst: float, now: float) -> Bucket:
        return self._buckets.setdefault(key, Bucket(rate, burst, burst, now))
