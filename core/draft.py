"""A model's answer as it grows: kept to its length, filtered before anything shows, remembered."""

from collections.abc import Sequence

from core.length import LengthLimit
from core.moderation.hits import Hit
from core.moderation.matcher import Matcher
from core.moderation.stream import StreamFilter


class Draft:
    """Feed it what the model says; show only what it gives back."""

    def __init__(self, matcher: Matcher, max_characters: int) -> None:
        self._limit = LengthLimit(max_characters)
        self._gate = StreamFilter(matcher)
        self._shown: list[str] = []

    def feed(self, text: str) -> str:
        """The text that may be shown now."""
        return self._show(self._gate.feed(self._limit.feed(text)))

    def end(self) -> str:
        """The text that was still held back."""
        return self._show(self._gate.flush())

    @property
    def is_over(self) -> bool:
        """Whether more text would change nothing."""
        return self._limit.reached or self._gate.refused

    @property
    def refused(self) -> bool:
        """Whether the filter forbids the answer."""
        return self._gate.refused

    @property
    def hits(self) -> Sequence[Hit]:
        """What the filter found."""
        return self._gate.hits

    @property
    def text(self) -> str:
        """All that was shown."""
        return "".join(self._shown)

    def _show(self, text: str) -> str:
        if text:
            self._shown.append(text)
        return text
