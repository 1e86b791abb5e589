"""Which units serve a model: from the settings, the model's folder and the cards. Pure.

A unit's order is made anew at each start: what is free on its cards may have changed, and a card
may be gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.engine import EngineSettings
from inference.plan.model_files import ModelFiles
from inference.plan.placement import (
    GIB,
    SCRATCH_BYTES,
    Card,
    Demand,
    Layout,
    PlacementError,
    lay_out,
    pages,
)
from inference.plan.shape import Weights

YARN_FACTOR = 4
CUDA_BYTES = GIB
"""More than CUDA takes of a card when a process begins to use it."""


@dataclass(frozen=True, slots=True)
class Berth:
    """A unit's place: its name and its cards, none where the processor does the work."""

    name: str
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """All units of a model."""

    settings: EngineSettings
    model: ModelFiles
    berths: tuple[Berth, ...]
    placement: str
    why: str

    @property
    def served_name(self) -> str:
        """What the model is called in requests."""
        return served_name(self.settings)


def served_name(settings: EngineSettings) -> str:
    """What a model is called in requests."""
    folder = settings.model_dir.resolve().name if settings.model_dir else ""
    return settings.served_name or folder


def plan_fleet(settings: EngineSettings, model: ModelFiles, cards: Sequence[Card]) -> Fleet:
    """Give every unit its cards; raises PlacementError."""
    _longest(settings, model)
    if not cards or settings.device == "cpu":
        if settings.engine == "exllamav2":
            raise PlacementError("the engine exllamav2 needs an NVIDIA card, and there is none")
        return Fleet(settings, model, (Berth("0"),), "processor", "there is no card to use")
    layout = lay_out_model(settings, model, cards)
    by_number = {card.number: card for card in cards}
    berths = tuple(
        Berth(str(number), tuple(by_number[card] for card in unit.cards))
        for number, unit in enumerate(layout.units)
    )
    return Fleet(settings, model, berths, layout.placement, layout.why)


def settle(fleet: Fleet, cards: Sequence[Card]) -> EngineSettings:
    """The settings of one unit on the cards it has now; raises PlacementError.

    A pool that nobody asked for is left to the unit, which sees what CUDA itself took, unless more
    fits than all its answers could fill.
    """
    settings = fleet.settings
    longest = _longest(settings, fleet.model)
    is_whole = len(settings.gpu_split) == len(cards)
    settled = settings.model_copy(
        update={
            "served_name": fleet.served_name,
            "max_seq_len": longest,
            "placement": fleet.placement if len(cards) > 1 else "replicas",
            "gpu_split": settings.gpu_split if is_whole else (),
            "gpus": tuple(card.number for card in cards),
        }
    )
    if not cards:
        return settled
    layout = lay_out_model(settled, fleet.model, cards)
    most = pages(settings.batch * longest)
    spare = CUDA_BYTES // fleet.model.shape.token_bytes(settings.cache)
    if settings.pool_tokens is None and most + spare <= layout.units[0].pool_tokens:
        return settled.model_copy(update={"pool_tokens": most})
    return settled


def lay_out_model(settings: EngineSettings, model: ModelFiles, cards: Sequence[Card]) -> Layout:
    """Place a model's files on cards as the engine would; raises PlacementError."""
    if settings.engine == "transformers" and settings.placement in {"split", "tensor"}:
        raise PlacementError(
            f"placement {settings.placement} needs the engine exllamav2; "
            "transformers has a whole model a card"
        )
    if settings.engine == "transformers" and settings.placement == "auto":
        settings = settings.model_copy(update={"placement": "replicas"})
    return lay_out(settings, demand_of(settings, model), cards)


def demand_of(settings: EngineSettings, model: ModelFiles) -> Demand:
    """What a model asks of cards with an engine: transformers has the embedding there, too."""
    weights = model.weights
    if settings.engine == "transformers":
        weights = Weights(weights.layers, model.size - weights.layers, 0)
    return Demand(
        shape=model.shape,
        weights=weights,
        cache=settings.cache,
        reserve=int(settings.reserve * GIB),
        scratch=SCRATCH_BYTES,
    )


def _longest(settings: EngineSettings, model: ModelFiles) -> int:
    trained = model.trained_tokens
    longest = settings.max_seq_len or trained
    if longest > trained and not settings.yarn:
        raise PlacementError(
            f"max_seq_len is {longest}, but the model was trained for {trained}; more needs yarn"
        )
    if longest > YARN_FACTOR * trained:
        raise PlacementError(
            f"max_seq_len is {longest}; yarn allows up to {YARN_FACTOR * trained} with this model"
        )
    return longest
