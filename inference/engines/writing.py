"""Turns sampled tokens into text that may be told: whole characters, no stop text in the making."""

import codecs
from collections.abc import Sequence


class Writer:
    """Writes one answer. Text is held back in whole tokens, so it goes with their likelihoods."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.is_stopped = False
        """Whether a stop text was found; nothing may follow it."""

    def add(self, token: bytes) -> str:
        """Take a token and return the text that may be told."""
        text = self._held + self._decoder.decode(token)
        found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self._held, self.is_stopped = "", True
            return text[: min(found)]
        self._held = text if self._may_stop(text) or self._is_half() else ""
        return "" if self._held else text

    def close(self) -> str:
        """Return what was held back and became no stop text; half a character is dropped."""
        text, self._held = self._held, ""
        return text

    def _is_half(self) -> bool:
        """Whether the last token ended within a character."""
        return bool(self._decoder.getstate()[0])

    def _may_stop(self, text: str) -> bool:
        return any(
            stop.startswith(text[-size:])
            for stop in self._stops
            for size in range(1, min(len(stop), len(text) + 1))
        )
