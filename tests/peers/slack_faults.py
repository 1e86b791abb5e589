"""What goes wrong on the fake Slack: errors, rate limits, silence, lost answers.

Rate limits are those of https://docs.slack.dev/apis/web-api/rate-limits: each method has a tier
per app and workspace and minute, and `chat.postMessage` about one message a second and channel.
"""

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass

TIER_2, TIER_3, TIER_4 = 20, 50, 100
TIERS = {
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.appendStream": TIER_4,
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "assistant.threads.setStatus": 600,
    "assistant.threads.setTitle": TIER_4,
    "assistant.threads.setSuggestedPrompts": TIER_4,
    "conversations.info": TIER_3,
    "conversations.open": TIER_3,
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "reactions.add": TIER_3,
    "reactions.remove": TIER_2,
    "users.info": TIER_4,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "files.info": TIER_4,
    "apps.connections.open": 10,
}
"""Calls a minute, by method; `apps.connections.open` is tier 1 (1+), which allows bursts."""


@dataclass(slots=True)
class Fault:
    """What meets the next `times` calls of a method."""

    method: str | None
    status: int | None
    error: str | None
    times: int
    retry_after: float = 1.0
    lost: bool = False
    """Do what was asked, then close the connection without an answer."""
    cut: bool = False
    """Close the connection and do nothing."""
    slow: float = 0.0
    """Seconds between doing what was asked and the answer."""
    needed: str | None = None
    """The scope that a `missing_scope` names."""


class Faults:
    """The faults a test asks for; each lasts until it is used up, `up()` is called or time passes.

    A `method` of None means any method.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        """Seconds between doing what was asked and the answer, for every call."""
        self.limits = False
        """Hold callers to the tiers and to one message a second and channel."""
        self.minute = 60.0
        """Seconds that the tiers call a minute."""
        self.channel_seconds = 0.95
        """Seconds between two messages of one channel; a little under Slack's one for jitter."""
        self.is_down = False
        self.down_status: int | None = None
        self._faults: list[Fault] = []
        self._floods: dict[str, float] = {}
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._posted: dict[tuple[str, str], float] = {}

    def fail(
        self,
        method: str | None = None,
        *,
        status: int | None = None,
        error: str | None = None,
        times: int = 1,
        needed: str | None = None,
    ) -> None:
        """Answer the next calls with an HTTP status, or with `ok: false` and an error.

        Without either the connection is closed and nothing done.
        """
        cut = status is None and error is None
        self._faults.append(Fault(method, status, error, times, cut=cut, needed=needed))

    def lose(self, method: str | None = None, times: int = 1) -> None:
        """Do what the next calls ask, then close the connection without an answer."""
        self._faults.append(Fault(method, None, None, times, lost=True))

    def slow(self, method: str | None, seconds: float, times: int = 1) -> None:
        """Do what the next calls ask at once, and answer late."""
        self._faults.append(Fault(method, None, None, times, slow=seconds))

    def storm(self, method: str | None = None, n: int = 5, retry_after: float = 1) -> None:
        """Answer the next calls with 429 and so many seconds of `Retry-After`.

        Slack sends whole seconds; a fraction is cut off, so 0.5 says 0.
        """
        self._faults.append(Fault(method, 429, None, n, retry_after=retry_after))

    def flood(self, channel: str, seconds: float) -> None:
        """Answer posts into a channel with 429 for so long; other channels are free."""
        self._floods[channel] = time.monotonic() + seconds

    def down(self, status: int | None = None) -> None:
        """Be gone: close every connection, or answer everything with a status."""
        self.is_down, self.down_status = True, status

    def up(self) -> None:
        """Be back, with no fault left."""
        self.is_down = False
        self._faults.clear()
        self._floods.clear()

    def take_fault(self, method: str) -> Fault | None:
        """Return the fault that meets this call, if any, and count it."""
        for fault in self._faults:
            if fault.method in (None, method):
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    def wait_needed(self, method: str, token: str, channel: str) -> float:
        """Return the seconds this caller has to wait by Slack's limits; 0 if it may go on."""
        now = time.monotonic()
        flooded = self._floods.get(channel, 0.0) - now if method.startswith("chat.") else 0.0
        if flooded > 0:
            return flooded
        if not self.limits:
            return 0.0
        if method == "chat.postMessage":
            return self._post_wait(token, channel, now)
        return self._tier_wait(method, token, now)

    def _post_wait(self, token: str, channel: str, now: float) -> float:
        free_at = self._posted.get((token, channel), -math.inf) + self.channel_seconds
        if free_at > now:
            return free_at - now
        self._posted[token, channel] = now
        return 0.0

    def _tier_wait(self, method: str, token: str, now: float) -> float:
        allowed = TIERS.get(method, TIER_4)
        calls = self._calls[token, method]
        while calls and calls[0] <= now - self.minute:
            calls.popleft()
        if len(calls) >= allowed:
            return calls[0] + self.minute - now
        calls.append(now)
        return 0.0
