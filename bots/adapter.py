"""What an account of a platform is to the house, and how its listening is kept up.

Every platform has the same files at its centre: `events` (its payloads become messages; pure),
`api` (the calls we make; its errors translated) and `channel` (answers go out); `account` puts
them, and what else the platform needs, together as an `Adapter`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog
from aiohttp import web

from config.errors import ConfigError
from core.channel import Channel
from core.errors import StoreUnavailableError, trace
from core.health import Part, State
from core.metrics import Metrics
from core.tasks import honour_cancellation

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
CALM_SECONDS = 60.0
"""A channel that stood this long before it fell starts again with the shortest pause."""


class ChannelDownError(Exception):
    """An account cannot listen now; the message is for the log and `/ready`, without secrets."""


class Mark(StrEnum):
    """How good a finding is."""

    GOOD = "✔"
    OFF = "○"
    """Not used; that is a choice and no fault."""
    BAD = "✘"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of `xiaoq doctor` saw, and what to do about it."""

    mark: Mark
    part: str
    seen: str
    advice: str = ""


class Adapter(Protocol):
    """One account of one platform; what opened it closes it."""

    @property
    def platform(self) -> str:
        """The channel part of its addresses."""
        ...

    @property
    def account(self) -> str:
        """The account part of its addresses."""
        ...

    @property
    def channel(self) -> Channel:
        """Its sending half."""
        ...

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Its callbacks in the HTTP door; none for one that calls the platform."""
        ...

    async def start(self) -> None:
        """Prove token and settings to the platform.

        Raises ConfigError where they are wrong, ChannelDownError where the platform is away.
        """
        ...

    async def listen(self) -> None:
        """Take messages in until cancelled; `start` came before. Raises ChannelDownError."""
        ...

    async def examine(self) -> Sequence[Finding]:
        """What `xiaoq doctor` should know, asked online; does not disturb a running XiaoQ."""
        ...


class Ears:
    """Keeps one account listening: it comes back alone, slower each time."""

    def __init__(
        self, adapter: Adapter, metrics: Metrics, first_pause: float = FIRST_PAUSE_SECONDS
    ) -> None:
        self.adapter = adapter
        self._first_pause = first_pause
        self._metrics = metrics
        self._fault = "starting"
        self._is_started = False

    async def start(self) -> None:
        """The first proof; a platform that is away is tried again by `run`. Raises ConfigError."""
        try:
            await self.adapter.start()
            self._is_started = True
            self._fault = ""
        except ChannelDownError as error:
            self._note(error)

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = self._first_pause
        while True:
            honour_cancellation()
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                # A task of its own: one that fell can leave marks of cancellation behind.
                group.create_task(self._listen())
            if time.monotonic() - began > CALM_SECONDS:
                pause = self._first_pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Listen until it falls."""
        try:
            if not self._is_started:
                await self.adapter.start()
                self._is_started = True
            self._fault = ""
            await self.adapter.listen()
        except Exception as error:  # noqa: BLE001 - a fallen channel must not end the others
            self._note(error)

    async def part(self) -> Part:
        """Its state for `/ready`."""
        if self._fault:
            return Part(State.DEGRADED, {"error": self._fault})
        return Part(State.OK)

    def _note(self, error: Exception) -> None:
        known = isinstance(error, ChannelDownError | StoreUnavailableError | ConfigError)
        self._fault = (str(error) if known else trace(error)) or type(error).__name__
        adapter = self.adapter
        self._metrics.channel_failures.labels(adapter.platform, adapter.account).inc()
        log.warning(
            "channel fell", channel=adapter.platform, account=adapter.account, error=self._fault
        )
