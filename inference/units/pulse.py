"""Whether a unit is alive, by what it says of itself and when. Pure.

That HTTP answers proves nothing (a wedged server keeps answering 200), nor does the word `ready`:
what counts is how long the engine's thread has shown no life.
"""

from dataclasses import dataclass

from config.engine import EngineSettings
from inference.serving.order import UnitHealth


@dataclass(slots=True)
class Pulse:
    """The signs of life of one unit, from its start on; times in seconds of one clock."""

    settings: EngineSettings
    begun: float
    ready_since: float | None = None
    """When it became ready for the first time."""
    _seen: float = 0.0

    def feel(self, health: UnitHealth | None, now: float) -> bool:
        """Take note of an answer, None if none came; True if it takes requests."""
        is_ready = (
            health is not None
            and health.state == "ready"
            and health.silent_seconds <= self.settings.hang_seconds
        )
        if is_ready:
            self._seen = now
            self.ready_since = now if self.ready_since is None else self.ready_since
        return is_ready

    def fault(self, now: float) -> str:
        """Why it must be ended; "" while it is well."""
        if self.ready_since is None:
            seconds = now - self.begun
            late = seconds > self.settings.load_seconds
            return f"the model was not loaded in {seconds:.0f} s" if late else ""
        silent = now - self._seen
        return f"no sign of life for {silent:.0f} s" if silent > self.settings.hang_seconds else ""
