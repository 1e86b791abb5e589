"""What works and what does not, part by part: for `/ready` and whoever is called at night."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    DEGRADED = "degraded"
    """Works, but not as set up: look at it."""
    DOWN = "down"
    """Messages cannot be accepted or answered."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Part:
    """The state of one part, with facts that name no customer and no secret."""

    state: State
    facts: dict[str, Any] = field(default_factory=dict)


Check = Callable[[], Awaitable[Part]]


class Health:
    """All parts of one process."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self.is_stopping = False

    def add(self, name: str, check: Check) -> None:
        """Name a part and how to ask it."""
        self._checks[name] = check

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether requests can be served, and every part."""
        parts = {name: await check() for name, check in self._checks.items()}
        is_ready = not self.is_stopping and all(
            part.state is not State.DOWN for part in parts.values()
        )
        return is_ready, {
            "ready": is_ready,
            "stopping": self.is_stopping,
            "parts": {name: {"state": part.state, **part.facts} for name, part in parts.items()},
        }
