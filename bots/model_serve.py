"""`xiaoq model serve`: the model alone, for other machines or other programs, on ports."""

import asyncio
import ipaddress
from collections.abc import Sequence

import structlog
import typer

from bots.own_model import plan_own_model
from config.engine import EngineSettings
from config.errors import ConfigError
from config.settings import LogSettings
from core.tasks import beside
from inference.units.keeper import Programme, UnitState
from inference.units.supervisor import Doors, Supervisor

log = structlog.get_logger()

READY = "Server is ready to accept requests"
DRAW_SECONDS = 0.2
_STEPS = 1000


async def serve_model(
    settings: EngineSettings,
    log_settings: LogSettings,
    stop: asyncio.Event,
    programme: Programme | None = None,
) -> None:
    """Serve until `stop`, then finish open answers; raises ConfigError with what is wrong."""
    _check_host(settings)
    fleet = await plan_own_model(settings, programme)
    doors = Doors(host=settings.host, port=settings.port, api_key=settings.api_key)
    units = Supervisor(fleet, doors, log_settings=log_settings, programme=programme)
    typer.echo(f"{fleet.served_name}: {fleet.placement}, {fleet.why}")
    async with beside(units.run()):
        if await _show_loading(units, stop):
            for endpoint in units.endpoints:
                typer.echo(f"{endpoint.url}   model {endpoint.model}")
            log.info(READY)
        await stop.wait()
        log.info("stopping")


async def _show_loading(units: Supervisor, stop: asyncio.Event) -> bool:
    """Draw a bar, on a terminal, until one unit is ready; False if it is stopped before.

    Raises ConfigError when all units refuse.
    """
    with typer.progressbar(length=_STEPS, label="loading", show_pos=False) as bar:
        while not stop.is_set():
            states = units.units
            if any(unit.state == "ready" for unit in states):
                bar.update(_STEPS - bar.pos)
                return True
            if all(unit.state == "refused" for unit in states):
                raise ConfigError("\n".join(sorted({unit.reason for unit in states})))
            bar.update(max(0, _loaded(states) - bar.pos))
            await asyncio.sleep(DRAW_SECONDS)
    return False


def _loaded(states: Sequence[UnitState]) -> int:
    return int(_STEPS * max(unit.progress for unit in states))


def _check_host(settings: EngineSettings) -> None:
    """Whoever reaches the port can ask the model, so the network needs a key."""
    try:
        is_local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_local = settings.host == "localhost"
    if not is_local and settings.api_key is None:
        raise ConfigError(
            f"XIAOQ_INFERENCE__HOST: holds {settings.host}, which the network can reach; "
            "should be so only with XIAOQ_INFERENCE__API_KEY"
        )
