"""Which adapter's jobs may start, where an engine applies one adapter at a time. Pure.

Jobs of one adapter run together, and adapters take turns. While nobody waits for another one,
whoever comes joins those that run. Once somebody does, a turn has room for as many as waited when
it began, a batch at most; when they have ended, it is the turn of the adapter of the foremost job.
"""

from collections import Counter


class Turns:
    """Knows which adapters are waited for, and whose turn it is."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._waiting: Counter[str] = Counter()
        self._adapter = ""
        self._places = 0

    def queued(self, adapter: str) -> None:
        """Count a job that waits."""
        self._waiting[adapter] += 1

    def taken(self, adapter: str) -> None:
        """Count a job that waits no more."""
        self._waiting[adapter] -= 1

    def begin(self, adapter: str) -> None:
        """Give an adapter its turn; no job may run."""
        self._adapter = adapter
        self._places = min(self._batch, self._waiting[adapter])

    def started(self) -> None:
        """Count a job that was let in."""
        self._places -= 1

    def has_place(self, adapter: str) -> bool:
        """Whether a job of an adapter may join those that run."""
        is_alone = self._waiting[self._adapter] == self._waiting.total()
        return adapter == self._adapter and (self._places > 0 or is_alone)
