"""How fast a bot may write, per chat and in all; and what Telegram said when it was too fast.

Telegram takes about one message a second in a chat with short bursts, 20 a minute in a group and
30 a second in all (core.telegram.org/bots/faq, "My bot is hitting limits"). Each process counts for
itself; that Telegram says "too many" is the backstop, and it holds for the chat it was said of.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bots.telegram.errors import TooManyError

CHAT_PER_SECOND = 1.0
CHAT_BURST = 3
GROUP_PER_MINUTE = 20.0
GROUP_BURST = 10
SPARED = 2
"""Messages that what may be left out (drafts, edits) leaves room for."""
MOST_CHATS = 10_000
"""Chats remembered; beyond that those with nothing to remember are forgotten."""


@dataclass(slots=True)
class Rate:
    """One allowance: a message each `interval` seconds, `burst` of them at once."""

    interval: float
    burst: int
    full_at: float = 0.0
    """When the whole burst is there again."""

    def wait(self, now: float, *, spared: int = 0) -> float:
        """Seconds until a message may leave with `spared` more left."""
        return max(0.0, self.full_at - (self.burst - 1 - spared) * self.interval - now)

    def take(self, now: float) -> None:
        """Count a message that leaves now."""
        self.full_at = max(now, self.full_at) + self.interval


class Flood:
    """The allowances of one bot."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = Rate(1 / per_second, max(1, int(per_second)))
        self._chats: dict[int, Rate] = {}
        self._groups: dict[int, Rate] = {}
        self._closed: dict[int, float] = {}
        """Until when Telegram takes nothing in a chat."""

    def admit(self, chat: int, patience: float) -> float:
        """Count a message that must leave: the seconds until it may.

        Raises TooManyError if those are more than `patience`.
        """
        wait = self._wait(chat)
        if wait > patience:
            raise TooManyError(wait)
        self._take(chat)
        return wait

    def spare(self, chat: int) -> float:
        """Count a message that can be left out: 0, or the seconds until it would have room."""
        wait = self._wait(chat, spared=SPARED)
        if not wait:
            self._take(chat)
        return wait

    def spare_draft(self, chat: int) -> float:
        """The same for a draft, which is no message in its chat."""
        now = self._clock()
        wait = max(self.closed(chat), self._all.wait(now, spared=SPARED))
        if not wait:
            self._all.take(now)
        return wait

    def closed(self, chat: int) -> float:
        """Seconds for which Telegram takes nothing in a chat."""
        return max(0.0, self._closed.get(chat, 0.0) - self._clock())

    def close(self, chat: int, seconds: float) -> None:
        """Note that Telegram takes nothing in a chat for a time."""
        self._closed[chat] = max(self._closed.get(chat, 0.0), self._clock() + seconds)

    def _wait(self, chat: int, spared: int = 0) -> float:
        now = self._clock()
        waits = [rate.wait(now, spared=spared) for rate in self._rates(chat)]
        return max(self.closed(chat), *waits)

    def _take(self, chat: int) -> None:
        now = self._clock()
        for rate in self._rates(chat):
            rate.take(now)

    def _rates(self, chat: int) -> list[Rate]:
        if len(self._chats) > MOST_CHATS:
            self._forget()
        rates = [self._all]
        if chat < 0:  # groups have negative ids
            group = Rate(60 / GROUP_PER_MINUTE, GROUP_BURST)
            rates.append(self._groups.setdefault(chat, group))
        rates.append(self._chats.setdefault(chat, Rate(1 / CHAT_PER_SECOND, CHAT_BURST)))
        return rates

    def _forget(self) -> None:
        now = self._clock()
        self._chats = {chat: rate for chat, rate in self._chats.items() if rate.full_at > now}
        self._groups = {chat: rate for chat, rate in self._groups.items() if rate.full_at > now}
        self._closed = {chat: until for chat, until in self._closed.items() if until > now}
