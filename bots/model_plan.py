"""`xiaoq model plan`: what a model needs of cards that need not be there, as a table in words."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from config.engine import EngineSettings
from inference.plan.ceiling import ceilings
from inference.plan.fleet import YARN_FACTOR
from inference.plan.placement import (
    GIB,
    SCRATCH_BYTES,
    Card,
    Demand,
    Layout,
    PlacementError,
    lay_out,
    pages,
    replicas,
    split,
    tensor,
)

_WIDTH = 20
_COLUMNS = 100
_PLACEMENTS = ("replicas", "split", "tensor")


@dataclass(frozen=True, slots=True)
class Plan:
    """A model, cards and a length of conversations."""

    model: str
    demand: Demand
    trained: int
    """Tokens that it was trained for."""
    cards: Sequence[Card]
    context: int
    bandwidth: float
    """Bytes a second of each card."""


def parse_cards(text: str) -> list[Card]:
    """Read `4x24` or `2x24,16` as cards of so many GiB; raises ValueError."""
    sizes: list[float] = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\d{1,3})x)?(\d{1,4}(?:\.\d+)?)", part.strip())
        if not match or float(match[2]) <= 0 or match[1] == "0":
            raise ValueError(f'"{text}" describes no cards; should be as 4x24 or 2x24,16 (in GiB)')
        sizes += [float(match[2])] * int(match[1] or 1)
    return [Card(number, int(s * GIB), int(s * GIB)) for number, s in enumerate(sizes)]


def parse_tokens(text: str) -> int:
    """Read 8192 or 8k as a number of tokens; raises ValueError."""
    match = re.fullmatch(r"(\d{1,7})(k?)", text.strip().lower())
    if not match or not int(match[1]):
        raise ValueError(f'"{text}" is no number of tokens; should be as 8k or 8192')
    return int(match[1]) * (1024 if match[2] else 1)


def plan_text(plan: Plan) -> str:
    """The whole answer; a placement that does not fit says why.

    Raises ValueError if the model takes no conversations of such a length.
    """
    most = YARN_FACTOR * plan.trained
    if plan.context > most:
        raise ValueError(
            f"conversations have {plan.context} tokens, but the model takes {plan.trained}, with "
            f"yarn up to {most}"
        )
    shown = [_column(plan, name) for name in _PLACEMENTS]
    rows = zip(_titles(plan), *(column for column, _ in shown), strict=True)
    lines = [
        f"{plan.model}, cache {plan.demand.cache}, conversations of {plan.context} tokens, "
        f"{_cards(plan.cards)}",
        "",
        *("".join(f"{cell:<{_WIDTH}}" for cell in row).rstrip() for row in rows),
        *(
            line
            for name, (_, why) in zip(_PLACEMENTS, shown, strict=True)
            if why
            for line in _wrapped(f"{name}: {why}")
        ),
        "",
        *_wrapped(_advice(plan)),
        "",
        *(line for paragraph in _foundations(plan) for line in _wrapped(paragraph)),
    ]
    return "\n".join(lines)


def _titles(plan: Plan) -> list[str]:
    is_odd = len({card.total for card in plan.cards}) > 1
    return [
        "",
        "processes",
        "weights per card" + (" *" if is_odd else ""),
        "pool, tokens",
        "conversations",
        "one chat, at most",
        "all cards, at most",
    ]


def _column(plan: Plan, name: str) -> tuple[list[str], str]:
    """The cells of a placement, and why it cannot be."""
    try:
        layout = _layout(plan, name)
    except PlacementError as error:
        return [name, *("-" for _ in range(6))], str(error)
    single, together = ceilings(layout, plan.demand, plan.bandwidth, plan.context)
    unit = layout.units[0]
    cells = [
        name,
        f"{len(layout.units)} x {_counted(len(unit.cards), 'card')}",
        f"{_largest_share(layout, plan.demand):.2f} GiB",
        f"{layout.pool_tokens:,}",
        f"{layout.conversations(plan.context):,}",
        f"{single:.0f} tokens/s",
        f"{together:.0f} tokens/s",
    ]
    return cells, ""


def _layout(plan: Plan, name: str) -> Layout:
    if name == "replicas":
        return replicas(plan.demand, plan.cards)
    if name == "split":
        return split(plan.demand, plan.cards)
    return tensor(plan.demand, plan.cards)


def _largest_share(layout: Layout, demand: Demand) -> float:
    unit = layout.units[0]
    if layout.placement == "tensor":
        return demand.weights.on_card / len(unit.cards) / GIB
    return max(unit.shares(demand.weights))


def _advice(plan: Plan) -> str:
    try:
        layout = lay_out(EngineSettings(pool_tokens=pages(plan.context)), plan.demand, plan.cards)
    except PlacementError as error:
        return f"auto takes nothing: {error}"
    return f"auto takes {layout.placement}: {layout.why}."


def _foundations(plan: Plan) -> Iterator[str]:
    demand, weights = plan.demand, plan.demand.weights
    staging = demand.shape.staging_bytes(demand.cache)
    also = f" and {staging:,} more on each card" if staging else ""
    yield (
        f"Computed: weights {weights.on_card / GIB:.2f} GiB on cards and "
        f"{weights.embedding / GIB:.2f} GiB in main memory, files {weights.file / 1e9:.2f} GB; "
        f"{demand.shape.token_bytes(demand.cache):,} bytes of cache for each token{also}; "
        "tokens/s at most: bandwidth through the bytes read for each token."
    )
    yield (
        f"Assumed: {SCRATCH_BYTES / GIB:.1f} GiB of each card for CUDA and scratch, "
        f"{demand.reserve / GIB:.1f} GiB left free, {plan.bandwidth / 1e9:.0f} GB/s a card "
        "(1008 is an RTX 4090D)."
    )
    yield (
        "Not counted: the work beside reading. ExLlamaV2's own figures on a 4090 are 70 to 74 % of "
        "this; a split hops between cards; tensor exchanges every layer through main memory and "
        "is likely slower than one card with a 7B."
    )
    if plan.context > plan.trained:
        yield (
            f"Conversations are more than the {plan.trained:,} that the model was trained for: "
            "XIAOQ_INFERENCE__YARN, which changes short answers too."
        )
    if len({card.total for card in plan.cards}) > 1:
        yield "* of the card that holds most."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, subsequent_indent="  ")


def _cards(cards: Sequence[Card]) -> str:
    sizes = [f"{card.total / GIB:g}" for card in cards]
    if len(set(sizes)) == 1:
        return f"{len(sizes)} x {sizes[0]} GiB"
    return f"{' + '.join(sizes)} GiB"


def _counted(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
