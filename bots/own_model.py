"""The model that this process runs itself: looked at before anything starts, then kept by units."""

import asyncio
import fcntl
import importlib.util
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from config.engine import EngineName, EngineSettings
from config.errors import ConfigError
from config.persona import Persona
from core.sockets import socket_folder
from inference.plan.cards import choose_cards
from inference.plan.fleet import Fleet, plan_fleet, settle
from inference.plan.model_files import ModelFiles, ModelFilesError, read_model
from inference.plan.placement import Card, PlacementError
from inference.units.keeper import Programme

log = structlog.get_logger()

MEMORY_SECONDS = 10.0
WAIT_SECONDS = 0.5
_LONGEST_NAME = "unit-00.sock"
PACKAGES: dict[EngineName, tuple[str, ...]] = {
    "exllamav2": ("torch", "exllamav2", "tokenizers", "llguidance"),
    "transformers": ("torch", "transformers", "tokenizers", "llguidance"),
}


async def plan_own_model(settings: EngineSettings, programme: Programme | None = None) -> Fleet:
    """Look at packages, folder and cards; raises ConfigError with all that is wrong.

    A `programme` of the caller's brings its own packages.
    """
    if settings.engine is None or settings.model_dir is None:
        raise ConfigError(
            "XIAOQ_INFERENCE__ENGINE: is not set, should be exllamav2 or transformers"
        )
    if programme is None and (missing := missing_packages(settings.engine)):
        raise ConfigError(
            f"XIAOQ_INFERENCE__ENGINE: holds {settings.engine}, but {', '.join(missing)} is not "
            f"installed; install xiaoq[{settings.engine}]"
        )
    model = await asyncio.to_thread(read_own_model, settings)
    return await _placed(settings, model, programme or Programme())


async def _placed(settings: EngineSettings, model: ModelFiles, programme: Programme) -> Fleet:
    """Place a model; what ended a moment ago may still hold memory, so that is waited for."""
    deadline = programme.clock() + MEMORY_SECONDS
    while True:
        cards = await programme.read_cards()
        best = _plan(settings, model, [replace(card, free=card.total) for card in cards])
        is_late = programme.clock() > deadline
        try:
            fleet = _plan(settings, model, cards)
        except ConfigError:
            if is_late:
                raise
        else:
            if is_late or fleet.placement == best.placement:
                return fleet
        log.info("waiting for memory of the cards to become free")
        await asyncio.sleep(WAIT_SECONDS)


def _plan(settings: EngineSettings, model: ModelFiles, cards: Sequence[Card]) -> Fleet:
    try:
        fleet = plan_fleet(settings, model, choose_cards(cards, settings.gpus))
        for berth in fleet.berths:
            settle(fleet, berth.cards)
    except PlacementError as error:
        raise ConfigError(f"XIAOQ_INFERENCE__PLACEMENT: {error}") from error
    return fleet


def missing_packages(engine: EngineName) -> list[str]:
    """What an engine needs and is not installed; nothing is imported."""
    return [name for name in PACKAGES[engine] if importlib.util.find_spec(name) is None]


def read_own_model(settings: EngineSettings) -> ModelFiles:
    """Look at the folder of the settings; raises ConfigError with all that is wrong."""
    folder, name = settings.model_dir or Path(), "XIAOQ_INFERENCE__MODEL_DIR"
    try:
        model = read_model(folder, settings.engine or "exllamav2")
    except ModelFilesError as error:
        raise ConfigError(f"{name}: {folder}: {error}") from error
    if model.problems:
        raise ConfigError("\n".join(f"{name}: {folder}: {line}" for line in model.problems))
    return model


def check_context(context_tokens: int, fleet: Fleet) -> None:
    """Raise ConfigError if the core would send more than the model takes."""
    longest = fleet.settings.max_seq_len or fleet.model.trained_tokens
    if context_tokens > longest:
        raise ConfigError(
            f"XIAOQ_INFERENCE__CONTEXT_TOKENS: holds {context_tokens}, should be at most "
            f"{longest}, which is all that the model takes"
        )


def check_adapters(settings: EngineSettings, personas: Iterable[Persona]) -> None:
    """Raise ConfigError if a persona names an adapter that is not loaded."""
    loaded = {adapter.name for adapter in settings.adapters}
    problems = [
        f'{persona.path}: adapter: holds "{persona.card.adapter}", which is not among '
        "XIAOQ_INFERENCE__ADAPTERS"
        for persona in personas
        if persona.card.adapter and persona.card.adapter not in loaded
    ]
    if problems:
        raise ConfigError("\n".join(problems))


@contextmanager
def own_sockets(state_dir: Path) -> Generator[Path, None, None]:
    """A folder for the units' sockets; raises ConfigError if another process has it."""
    folder = socket_folder(state_dir.resolve() / "model", _LONGEST_NAME)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "XIAOQ_INFERENCE__ENGINE: another XiaoQ with this XIAOQ_STATE_DIR runs the model; "
                "run it once, by xiaoq model serve, and name that in XIAOQ_INFERENCE__ENDPOINTS"
            ) from None
        yield folder
