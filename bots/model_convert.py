"""`xiaoq model convert`: looks at everything first, then converts, and can be called again."""

import asyncio
import importlib.util
from collections.abc import Sequence

import typer

from config.errors import ConfigError
from core.tasks import beside
from inference.convert import (
    PROGRAM,
    Advance,
    ConversionError,
    convert,
)
from inference.plan.cards import choose_cards, read_cards
from inference.plan.conversion import Conversion, check_conversion, is_begun
from inference.plan.model_files import ModelFiles
from inference.plan.placement import GIB, Card

_STEPS = 1000


async def convert_model(
    conversion: Conversion, stop: asyncio.Event, program: Sequence[str] | None = None
) -> None:
    """Convert until done or stopped; raises ConfigError with what stands against it.

    `program` replaces the converter.
    """
    if program is None and importlib.util.find_spec("exllamav2") is None:
        raise ConfigError("exllamav2 is not installed; install xiaoq[exllamav2]")
    problems = await asyncio.to_thread(check_conversion, conversion)
    if problems:
        raise ConfigError("\n".join(problems))
    card = await _card()
    begun = is_begun(conversion)
    typer.echo(f"{'going on' if begun else 'beginning'} in {conversion.work}, on {card.name}")
    made = await _until_stopped(conversion, card, stop, program or PROGRAM)
    if made is None:
        typer.echo("stopped; the same command goes on from here")
        raise asyncio.CancelledError
    typer.echo(
        f"{conversion.target}: {made.bits_per_weight:.2f} bits a weight, "
        f"{made.weights.on_card / GIB:.2f} GiB for cards. {conversion.work} may go; its "
        "measurement.json spares the measuring of other bit rates (--measurement)."
    )


async def _card() -> Card:
    """The one with most room, of those that are visible (CUDA_VISIBLE_DEVICES)."""
    cards = choose_cards(await read_cards(), ())
    if not cards:
        raise ConfigError("converting needs an NVIDIA card, and nvidia-smi finds none")
    return max(cards, key=lambda card: card.free)


async def _until_stopped(
    conversion: Conversion, card: Card, stop: asyncio.Event, program: Sequence[str]
) -> ModelFiles | None:
    """Convert under a bar; None if it was stopped before its end."""
    made: list[ModelFiles] = []

    async def work() -> None:
        with typer.progressbar(length=_STEPS, label="Beginning") as bar:

            def tell(advance: Advance) -> None:
                bar.label = advance.stage
                bar.update(max(0, int(advance.share * _STEPS) - bar.pos))

            made.append(await convert(conversion, card, tell, program))
        stop.set()

    try:
        async with beside(work()):
            await stop.wait()
    except ConversionError as error:
        raise ConfigError(str(error)) from error
    return made[0] if made else None
