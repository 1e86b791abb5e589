"""What a supervisor tells a unit of the model server, and what the unit tells back.

A unit is the process `python -m inference.serving.unit`. On its standard input it gets one line,
an order, and nothing more: the end of that input is the end of its supervisor, however that died,
and the unit ends itself at once. SIGTERM asks it to take nothing new and to finish open answers
within `drain_seconds`. `CUDA_VISIBLE_DEVICES` has its cards, so it counts them from 0.

It listens from the first moment on: `/health` tells its state while the model is loaded, with
status 200 only when it is ready. Its standard output has one line, before it ends REFUSED: why.
Logs go to standard error.
"""

import json
from enum import IntEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, SecretStr

from config.engine import EngineSettings
from config.fields import Values
from config.settings import LogSettings


class ExitCode(IntEnum):
    """How a unit ends."""

    STOPPED = 0
    REFUSED = 64
    """Model or settings cannot be used; to start it again as it is does not help."""
    BROKEN = 70
    """The engine cannot go on: a sticky CUDA error, a card that is gone."""
    HUNG = 75
    """The engine's thread showed no life for `hang_seconds`."""


class UnitOrder(Values):
    """Which model to serve, and where; `to_line` is what a unit reads."""

    name: str
    """Of the unit, in logs and metrics."""
    settings: EngineSettings
    """`placement` is settled: replicas (one card or none), split or tensor; so is `pool_tokens`,
    where the memory of the cards is known."""
    socket: Path | None = None
    """Unix socket to listen on; without one, `host` and `port`."""
    host: str = "127.0.0.1"
    port: int = 0
    api_key: SecretStr | None = None
    """Key that callers must send. It is not part of `settings` here."""
    warm_up: tuple[str, ...] = ()
    """System prompts to read before the first request."""
    log: LogSettings = LogSettings()

    def to_line(self) -> bytes:
        """Write the order down, its secret included: for the unit's standard input alone."""
        order = self.model_dump(mode="json", exclude={"settings": {"api_key"}})
        if self.api_key is not None:
            order["api_key"] = self.api_key.get_secret_value()
        return json.dumps(order).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read an order; raises pydantic's ValidationError."""
        return cls.model_validate_json(line)


class UnitHealth(BaseModel):
    """What `/health` of a unit says."""

    state: Literal["loading", "ready", "draining", "broken"]
    progress: float = 0.0
    """Share of the model that is loaded."""
    silent_seconds: float = 0.0
    """How long the engine's thread has shown no life."""
    running: int = 0
    waiting: int = 0
