"""The machine's NVIDIA cards, as nvidia-smi tells them: it comes with the driver, and needs no
CUDA in this process.
"""

import asyncio
import csv
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence

from inference.plan.placement import Card, PlacementError

SECONDS = 30.0
"""A driver that starts up, or a card that hangs, makes nvidia-smi slow."""
_FIELDS = "index,uuid,name,memory.total,memory.free"
_MIB = 1 << 20
VISIBLE = "CUDA_VISIBLE_DEVICES"


async def read_cards() -> list[Card]:
    """All cards of the machine; none where there is no driver or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--query-gpu={_FIELDS}",
            "--format=csv,noheader,nounits",
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
        )
    except OSError:
        return []
    try:
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        return []
    finally:
        if process.returncode is None:
            process.kill()
    return parse_cards(out.decode(errors="replace"))


def parse_cards(text: str) -> list[Card]:
    """Read the table of nvidia-smi; a card in trouble has words where numbers belong."""
    cards = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        try:
            number, uuid, name, total, free = row
            card = Card(int(number), int(total) * _MIB, int(free) * _MIB, name, uuid)
        except ValueError:
            continue
        cards.append(card)
    return cards


def choose_cards(
    cards: Sequence[Card], wanted: Sequence[int], environ: Mapping[str, str] = os.environ
) -> list[Card]:
    """The cards to use: those that are wanted, else those of CUDA_VISIBLE_DEVICES, else all.

    Raises PlacementError if one that is wanted is not there.
    """
    if wanted:
        by_number = {card.number: card for card in cards}
        missing = [str(number) for number in wanted if number not in by_number]
        if missing:
            there = ", ".join(map(str, by_number)) or "none"
            raise PlacementError(f"gpus names card {missing[0]}, which is not there: {there}")
        return [by_number[number] for number in wanted]
    visible = environ.get(VISIBLE)
    if visible is None:
        return list(cards)
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return [card for name in names for card in cards if _is_called(card, name)]


def _is_called(card: Card, name: str) -> bool:
    return name == str(card.number) or (name.startswith("GPU-") and card.uuid.startswith(name))
