"""Keeps one unit alive: its cards are looked for, it is started, watched, and started again."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Never

import structlog

from config.engine import EngineSettings
from inference.client.backoff import LONGEST_SECONDS, Backoff, Clock
from inference.plan.cards import read_cards
from inference.plan.fleet import Berth, Fleet, settle
from inference.plan.placement import Card, PlacementError
from inference.serving.order import ExitCode, UnitHealth, UnitOrder
from inference.units.child import Child, open_child
from inference.units.pulse import Pulse

log = structlog.get_logger()

POLL_SECONDS = 0.25
STEADY_SECONDS = 60.0
"""A unit that was ready for so long has its earlier failures forgotten."""

ReadCards = Callable[[], Awaitable[Sequence[Card]]]
MakeOrder = Callable[[Berth, EngineSettings], UnitOrder]
Tell = Callable[[bool], None]


class UnitDownError(Exception):
    """The unit has ended or could not be started; the message says why."""


class RefusedError(UnitDownError):
    """Model, settings or cards cannot be used as they are."""


class NoRoomError(RefusedError):
    """The cards lack the memory: perhaps a process that ended is still giving it back."""


class CardLostError(UnitDownError):
    """The unit's card is not there."""


Condition = Literal[
    "starting", "loading", "ready", "draining", "broken", "waiting", "refused", "lost"
]


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit for `/ready`, metrics and the screen."""

    name: str
    cards: tuple[int, ...]
    """Numbers of the cards it works on."""
    state: Condition = "starting"
    """waiting: for its next start; refused: model, settings or memory will not do; lost: its card
    is gone. All three are tried again."""
    pid: int | None = None
    progress: float = 0.0
    restarts: int = 0
    running: int = 0
    waiting: int = 0
    lost_cards: tuple[int, ...] = ()
    reason: str = ""
    """Why it is not ready."""
    retry_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Programme:
    """What starts a unit, how the cards are read, and the clock."""

    command: Sequence[str] = (sys.executable, "-m", "inference.serving.unit")
    read_cards: ReadCards = read_cards
    clock: Clock = time.monotonic
    kill_seconds: float = 5.0
    """Beyond its time for draining a unit gets so long until it is killed."""


class Keeper:
    """Keeps one unit."""

    def __init__(
        self,
        fleet: Fleet,
        berth: Berth,
        make_order: MakeOrder,
        programme: Programme,
    ) -> None:
        self._fleet = fleet
        self._berth = berth
        self._name = berth.name
        self._make_order = make_order
        self._programme = programme
        self._clock = programme.clock
        self._backoff = Backoff(programme.clock)
        self._child: Child | None = None
        self.state = UnitState(berth.name, tuple(card.number for card in berth.cards))

    async def run(self, tell: Tell) -> Never:
        """Keep the unit alive until cancelled, which drains it; `tell` hears when it is ready."""
        while True:
            begun = self._clock()
            try:
                await self._live(tell)
            except UnitDownError as error:
                pause = self._pause(begun, error)
            await asyncio.sleep(pause)
            self.state = replace(self.state, restarts=self.state.restarts + 1)

    async def numbers(self) -> str:
        """The unit's metrics as text; "" while there are none."""
        return await self._child.numbers() if self._child else ""

    def _pause(self, begun: float, error: UnitDownError) -> float:
        """Note why the unit is down; returns for how many seconds."""
        self._backoff.fail(begun)
        pause = self._backoff.retry_seconds or 0.0
        state: Condition = "waiting"
        if isinstance(error, RefusedError | CardLostError):
            state = "lost" if isinstance(error, CardLostError) else "refused"
            pause = pause if isinstance(error, NoRoomError) else LONGEST_SECONDS
        self.state = replace(
            self.state,
            state=state,
            pid=None,
            progress=0.0,
            running=0,
            waiting=0,
            reason=str(error),
            retry_seconds=round(pause, 1),
        )
        log.error("unit is down", unit=self._name, reason=str(error), seconds=round(pause, 1))
        return pause

    async def _live(self, tell: Tell) -> None:
        """One life of the unit; raises UnitDownError at its end."""
        cards = await self._find_cards()
        try:
            settings = settle(self._fleet, cards)
        except PlacementError as error:
            raise NoRoomError(str(error)) from error
        order = self._make_order(self._berth, settings)
        log.info("unit starts", unit=self._name, cards=[card.number for card in cards])
        self.state = replace(
            self.state,
            state="loading",
            reason="",
            retry_seconds=None,
            cards=tuple(card.number for card in cards),
            lost_cards=tuple(c.number for c in self._berth.cards if not _is_among(c, cards)),
        )
        try:
            command, patience = self._programme.command, self._programme.kill_seconds
            async with open_child(command, order, cards, patience) as child:
                self._child = child
                self.state = replace(self.state, pid=child.pid)
                await self._watch(child, settings, tell)
        except OSError as error:
            raise UnitDownError(f"cannot be started: {error.strerror}") from error
        finally:
            self._child = None
            tell(False)

    async def _find_cards(self) -> list[Card]:
        """The cards of the berth that are there now, with what is free on them."""
        if not self._berth.cards:
            return []
        there = await self._programme.read_cards()
        found = [now for card in self._berth.cards for now in there if _is_among(now, [card])]
        if not found:
            numbers = ", ".join(str(card.number) for card in self._berth.cards)
            raise CardLostError(f"card {numbers} is not there any more")
        return found

    async def _watch(self, child: Child, settings: EngineSettings, tell: Tell) -> None:
        """Look at the unit until it is down."""
        pulse = Pulse(settings, self._clock())
        was_ready = False
        while (code := await child.ended(POLL_SECONDS)) is None:
            health = await child.health()
            now = self._clock()
            is_ready = pulse.feel(health, now)
            if is_ready is not was_ready:
                tell(is_ready)
                log.info("unit takes requests" if is_ready else "unit takes none", unit=self._name)
            was_ready = is_ready
            self._note_health(health, is_ready=is_ready)
            if fault := pulse.fault(now):
                child.kill()
                raise UnitDownError(fault)
            if is_ready and now - (pulse.ready_since or now) > STEADY_SECONDS:
                self._backoff.reset()
        raise _why(code, child.reason())

    def _note_health(self, health: UnitHealth | None, *, is_ready: bool) -> None:
        if health is None:
            return
        is_lying = health.state == "ready" and not is_ready
        state: Condition = "broken" if is_lying else health.state
        self.state = replace(
            self.state,
            state=state,
            progress=health.progress,
            running=health.running,
            waiting=health.waiting,
        )


def _is_among(card: Card, cards: Sequence[Card]) -> bool:
    """A card is known by its uuid, as numbers move up when one is gone."""
    return any((card.uuid or card.number) == (each.uuid or each.number) for each in cards)


def _why(code: int, reason: str) -> UnitDownError:
    """Put an exit code into words."""
    if code == ExitCode.REFUSED:
        return RefusedError(reason or "it refused the order")
    if code < 0:
        names = {each.value: each.name for each in signal.Signals}
        name = names.get(-code, f"signal {-code}")
        hint = ", perhaps for want of main memory" if -code == signal.SIGKILL else ""
        return UnitDownError(f"was killed by {name}{hint}")
    words: dict[int, str] = {
        ExitCode.STOPPED: "ended without being asked to",
        ExitCode.BROKEN: "its engine broke; its log says how",
        ExitCode.HUNG: "its engine hung",
    }
    return UnitDownError(words.get(code, f"ended with exit code {code}"))
