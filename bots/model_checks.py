"""What `xiaoq doctor` says of the model that XiaoQ runs itself."""

import asyncio

from bots.adapter import Finding, Mark
from bots.own_model import missing_packages, own_sockets, read_own_model
from config.engine import EngineSettings
from config.errors import ConfigError
from config.settings import Settings
from inference.plan.cards import choose_cards, read_cards
from inference.plan.fleet import plan_fleet, settle
from inference.plan.model_files import ModelFiles
from inference.plan.placement import GIB, Card, PlacementError

_PART = "model"


async def examine_own_model(settings: Settings) -> list[Finding]:
    """Look at packages, folder and cards; nothing is loaded."""
    inference = settings.inference
    if inference.engine is None:
        return []
    findings = [_packages(inference)]
    try:
        model = await asyncio.to_thread(read_own_model, inference)
    except ConfigError as error:
        lines = str(error).splitlines()
        return findings + [Finding(Mark.BAD, _PART, "cannot be used", line) for line in lines]
    bits = f"{model.bits_per_weight:.2f} bits a weight"
    findings.append(Finding(Mark.GOOD, _PART, f"{model.folder}, {bits}"))
    cards = await read_cards()
    return [*findings, _cards(cards), _fits(settings, model, cards)]


def _packages(settings: EngineSettings) -> Finding:
    engine = settings.engine or "exllamav2"
    if missing := missing_packages(engine):
        seen = f"{engine} cannot run, {', '.join(missing)} is not installed"
        return Finding(Mark.BAD, _PART, seen, f"install xiaoq[{engine}]")
    return Finding(Mark.GOOD, _PART, f"{engine} is installed")


def _cards(cards: list[Card]) -> Finding:
    if not cards:
        advice = "nvidia-smi finds none; install the driver, or run transformers on the processor"
        return Finding(Mark.OFF, "cards", "none", advice)
    shown = (
        f"{c.number}: {c.name}, {c.free / GIB:.1f} of {c.total / GIB:.1f} GiB free" for c in cards
    )
    return Finding(Mark.GOOD, "cards", "; ".join(shown))


def _fits(settings: Settings, model: ModelFiles, cards: list[Card]) -> Finding:
    try:
        with own_sockets(settings.state_dir):
            fleet = plan_fleet(
                settings.inference, model, choose_cards(cards, settings.inference.gpus)
            )
            for berth in fleet.berths:
                settle(fleet, berth.cards)
    except ConfigError:  # its memory is in use by itself then
        return Finding(Mark.GOOD, _PART, "XiaoQ is running it; /ready tells of each unit")
    except PlacementError as error:
        advice = "see xiaoq model plan; then XIAOQ_INFERENCE__GPUS, __POOL_TOKENS, __PLACEMENT"
        return Finding(Mark.BAD, _PART, str(error), advice)
    return Finding(Mark.GOOD, _PART, f"fits: {fleet.placement}, {fleet.why}")
