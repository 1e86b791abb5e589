"""Everything that goes wrong with WeCom's API: outages, refusals, slowness, limits of rates."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from peers.wecom_wire import Body, RefusedError

Trouble = int | Literal["reset", "hang", "slow", "lost"]
"""A status, or: cut the connection, never answer, answer late, do it and then cut the connection.

After `lost` the message stands in the chat though its sender sees an error.
"""

ANY = "*"
TOO_OFTEN = 45009


@dataclass(slots=True)
class Fault:
    """What happens to the next calls of a method."""

    method: str
    trouble: Trouble
    times: int
    seconds: float = 0.0
    """How late a slow answer is."""
    errcode: int = 0
    """Refuse with this instead of any trouble."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How often a corp may call one method; a block lasts until its window ends.

    Path 90312 of https://developer.work.weixin.qq.com/document: 10,000 a minute. How strictly
    `kf/sync_msg` without a token is held back is not said there.
    """

    per_minute: int = 10_000
    tokenless_pulls: int = 10
    """Calls of `kf/sync_msg` without a token in a minute, for each corp."""
    minute: float = 60.0
    """Seconds that are called a minute."""


@dataclass(slots=True)
class Faults:
    """What a test asked for; each lasts until it is used up."""

    scripted: list[Fault] = field(default_factory=list)
    limits: RateLimits | None = None
    _windows: dict[tuple[str, str], tuple[float, int]] = field(
        default_factory=lambda: defaultdict(lambda: (0.0, 0))
    )

    def meet(self, method: str) -> Fault | None:
        """Return what is scripted for this call and count it."""
        for fault in self.scripted:
            if fault.method in {method, ANY} and fault.times > 0:
                fault.times -= 1
                if not fault.times:
                    self.scripted.remove(fault)
                return fault
        return None

    def check_rate(self, corp: str, method: str, body: Body) -> None:
        """Refuse a call that comes too often."""
        if self.limits is None:
            return
        self._count(corp, method, self.limits.per_minute)
        if method == "kf/sync_msg" and not body.get("token"):
            self._count(corp, "tokenless", self.limits.tokenless_pulls)

    def _count(self, corp: str, what: str, most: int) -> None:
        assert self.limits is not None
        now = time.monotonic()
        began, calls = self._windows[corp, what]
        if began + self.limits.minute <= now:
            began, calls = now, 0
        self._windows[corp, what] = began, calls + 1
        if calls >= most:
            raise RefusedError(TOO_OFTEN, "api freq out of limit")
