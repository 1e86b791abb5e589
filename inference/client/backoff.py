"""When to try a failing server again: exponential, with jitter, half open."""

import random
from collections.abc import Callable

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0

Clock = Callable[[], float]
"""A clock in seconds that never goes back, such as `time.monotonic`."""


class Backoff:
    """Says when a failing endpoint may be tried again: one request at a time until one succeeds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._failed_at = 0.0
        self._retry_at: float | None = None
        self._probing = False

    @property
    def down(self) -> bool:
        """True from a failure to the next success."""
        return self._retry_at is not None

    @property
    def admits(self) -> bool:
        """True if a request may be sent now."""
        return self._retry_at is None or (not self._probing and self._clock() >= self._retry_at)

    @property
    def retry_seconds(self) -> float | None:
        """Seconds until the next try; None when up."""
        return None if self._retry_at is None else max(0.0, self._retry_at - self._clock())

    def begin(self) -> bool:
        """Send a request; True if it is the one that tries a failing endpoint again."""
        self._probing = self.down
        return self._probing

    def leave(self) -> None:
        """End the trial without a verdict: the next request tries."""
        self._probing = False

    def reset(self) -> None:
        """Forget all failures: the endpoint answers."""
        self._retry_at = None
        self._probing = False
        self._failures = 0

    def fail(self, begun: float, seconds: float | None = None) -> bool:
        """Back off after the failure of a request sent at `begun`; False if it tells nothing new.

        Requests that were under way together fail together: only the first of them counts.
        `seconds` replaces the exponential wait.
        """
        if self._failures and begun < self._failed_at:
            return False
        self._failures += 1
        self._failed_at = self._clock()
        self._probing = False
        self._retry_at = self._failed_at + (self._wait() if seconds is None else seconds)
        return True

    def _wait(self) -> float:
        doubled = FIRST_SECONDS * 2.0 ** min(self._failures - 1, 10)
        # Jitter keeps processes apart; it guards nothing.
        return min(LONGEST_SECONDS, doubled) * random.uniform(0.5, 1.0)  # noqa: S311
