"""A supervisor over units that misbehave to order, on cards that come and go."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from peers.model_folder import write_exl2, write_half

from config.engine import EngineSettings
from config.settings import EndpointSettings
from core.tasks import beside
from inference.client.backoff import Clock
from inference.plan.fleet import plan_fleet
from inference.plan.model_files import read_model
from inference.plan.placement import GIB, Card
from inference.serving.order import UnitOrder
from inference.units.keeper import Programme, UnitState
from inference.units.supervisor import Doors, Supervisor

WAYWARD = Path(__file__).with_name("wayward_unit.py")
SECONDS = 20.0


def card(number: int, free: float = 24.0) -> Card:
    """A card of 24 GiB."""
    return Card(number, 24 * GIB, int(free * GIB), "GeForce RTX 4090 D", f"GPU-{number}")


@dataclass
class Watched:
    """A supervisor at work, and what is to be seen of it."""

    supervisor: Supervisor
    folder: Path
    cards: list[Card]
    told: list[tuple[EndpointSettings, bool]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    """System prompts to be read before the first request."""

    def unit(self, number: int = 0) -> UnitState:
        """What is known of a unit."""
        return self.supervisor.units[number]

    async def until(self, number: int, state: str, restarts: int = 0) -> UnitState:
        """Wait until a unit is in a state, after so many restarts or more."""
        try:
            async with asyncio.timeout(SECONDS):
                while self.unit(number).state != state or self.unit(number).restarts < restarts:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not {state}: {self.unit(number)}") from None
        return self.unit(number)

    def lives(self, number: int = 0) -> list[tuple[int, str]]:
        """Process and cards of each life of a unit."""
        log = self.folder / f"{number}.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(int(line.split()[0]), line.partition(" ")[2]) for line in lines]

    def order(self, number: int = 0) -> UnitOrder:
        """What a unit was told at its last start."""
        return UnitOrder.from_line((self.folder / f"{number}.order").read_bytes())

    def processes(self) -> list[int]:
        """Processes of all lives that still run."""
        count = len(self.supervisor.units)
        pids = [pid for number in range(count) for pid, _ in self.lives(number)]
        return [pid for pid in pids if _runs(pid)]


@asynccontextmanager
async def supervised(
    folder: Path,
    *lives: Sequence[str],
    cards: Sequence[Card] = (),
    clock: Clock = time.monotonic,
    **settings: object,
) -> AsyncGenerator[Watched, None]:
    """A fleet of a unit for each list of lives; without cards there is one, on the processor."""
    engine = "exllamav2" if cards else "transformers"
    model = folder / "model"
    write_exl2(model) if cards else write_half(model)
    for number, words in enumerate(lives):
        (folder / f"{number}.lives").write_text("\n".join(words))
    given = {"hang_seconds": 1, "drain_seconds": 1} | settings
    fleet = plan_fleet(
        EngineSettings.model_validate({"engine": engine, "model_dir": model, **given}),
        read_model(model, engine),
        cards,
    )
    there = list(cards)

    async def read_cards() -> list[Card]:
        return list(there)

    command = (sys.executable, str(WAYWARD), str(folder))
    programme = Programme(command, read_cards, clock, kill_seconds=1)
    supervisor = Supervisor(fleet, Doors(folder), programme=programme)
    watched = Watched(supervisor, folder, there)

    def tell(endpoint: EndpointSettings, is_open: bool) -> None:
        watched.told.append((endpoint, is_open))

    async with beside(supervisor.run(tell, lambda: watched.prompts)):
        yield watched


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
