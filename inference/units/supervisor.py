"""Keeps the units of a model alive, each by itself: one that falls disturbs no other."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client.metrics_core import Metric
from pydantic import AnyHttpUrl, SecretStr

from config.engine import EngineSettings
from config.settings import EndpointSettings, LogSettings
from inference.plan.fleet import Berth, Fleet
from inference.serving.order import UnitOrder
from inference.units.keeper import Keeper, Programme, UnitState
from inference.units.numbers import label_numbers

Tell = Callable[[EndpointSettings, bool], None]
"""Told whether an endpoint takes requests, whenever that changes."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where units listen: on unix sockets in a folder, else on ports one after another."""

    folder: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: SecretStr | None = None

    def order(self, berth: Berth, settings: EngineSettings) -> UnitOrder:
        """The order of a unit, with its door."""
        return UnitOrder(
            name=berth.name,
            settings=settings,
            socket=self._socket(berth),
            host=self.host,
            port=self.port + int(berth.name),
            api_key=self.api_key,
        )

    def endpoint(self, berth: Berth, fleet: Fleet) -> EndpointSettings:
        """The unit as the model client knows it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = self.port + int(berth.name)
        where = f"unit-{berth.name}" if self.folder else f"{host}:{port}"
        return EndpointSettings(
            url=AnyHttpUrl(f"http://{where}/v1"),
            model=fleet.served_name,
            api_key=self.api_key,
            concurrency=fleet.settings.batch,
            queue=fleet.settings.queue,
            adapters=tuple(adapter.name for adapter in fleet.settings.adapters),
            socket=self._socket(berth),
        )

    def _socket(self, berth: Berth) -> Path | None:
        return self.folder / f"unit-{berth.name}.sock" if self.folder else None


class Supervisor:
    """The units of one model; `run` keeps them until it is cancelled."""

    def __init__(
        self,
        fleet: Fleet,
        doors: Doors,
        *,
        log_settings: LogSettings | None = None,
        programme: Programme | None = None,
    ) -> None:
        self.fleet = fleet
        self._doors = doors
        self._warm_up: Callable[[], Sequence[str]] = tuple
        self._log_settings = log_settings or LogSettings()
        programme = programme or Programme()
        self._keepers = {
            berth.name: Keeper(fleet, berth, self._order, programme) for berth in fleet.berths
        }

    @property
    def units(self) -> tuple[UnitState, ...]:
        """What is known of each unit."""
        return tuple(keeper.state for keeper in self._keepers.values())

    @property
    def endpoints(self) -> tuple[EndpointSettings, ...]:
        """Where the units are, for the model client."""
        return tuple(self._doors.endpoint(berth, self.fleet) for berth in self.fleet.berths)

    async def numbers(self) -> list[Metric]:
        """The metrics of all units, with their names."""
        texts = await asyncio.gather(*(keeper.numbers() for keeper in self._keepers.values()))
        return label_numbers(dict(zip(self._keepers, texts, strict=True)))

    async def run(
        self,
        tell: Tell = lambda _endpoint, _is_ready: None,
        warm_up: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Keep all units alive until cancelled; they then finish open answers, all at once.

        `warm_up` says the system prompts that a unit reads before its first request.
        """
        self._warm_up = warm_up
        async with asyncio.TaskGroup() as group:
            for keeper, endpoint in zip(self._keepers.values(), self.endpoints, strict=True):
                tell(endpoint, False)
                group.create_task(keeper.run(partial(tell, endpoint)))

    def _order(self, berth: Berth, settings: EngineSettings) -> UnitOrder:
        order = self._doors.order(berth, settings)
        more = {"warm_up": tuple(self._warm_up()), "log": self._log_settings}
        return order.model_copy(update=more)
