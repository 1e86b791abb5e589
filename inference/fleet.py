"""Which units serve a model: from the settings, the model's folder and the cards. Pure.

A unit's order is made anew at each start: what is free on its cards may have changed, and a card
may be gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from config.engine import EngineSettings
from inference.model_files import ModelFiles
from inference.placement import (
    GIB,
    SCRATCH_BYTES,
    Card,
    Demand,
    Layout,
    PlacementError,
    lay_out,
    pages,
)
from inference.shape import Weights

YARN_FACTOR = 4


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
    layout = _lay_out(settings, model, cards)
    by_number = {card.number: card for card in cards}
    berths = tuple(
        Berth(str(number), tuple(by_number[card] for card in unit.cards))
        for number, unit in enumerate(layout.units)
    )
    return Fleet(settings, model, berths, layout.placement, layout.why)


def settle(fleet: Fleet, cards: Sequence[Card]) -> EngineSettings:
    """The settings of one unit on the cards it has now; raises PlacementError."""
    settings = fleet.settings
    longest = _longest(settings, fleet.model)
    settled: dict[str, object] = {
        "served_name": fleet.served_name,
        "max_seq_len": longest,
        "placement": "replicas",
        "gpu_split": (),
        "gpus": tuple(card.number for card in cards),
    }
    if not cards:
        return settings.model_copy(update=settled)
    layout = _lay_out(
        settings.model_copy(update={"placement": _kind(fleet, cards)}), fleet.model, cards
    )
    unit = layout.units[0]
    # More than all running answers can fill would only be memory nobody else gets.
    most = settings.pool_tokens or pages(settings.batch * longest)
    settled["pool_tokens"] = min(unit.pool_tokens, most)
    settled["placement"] = layout.placement
    if layout.placement == "split":
        settled["gpu_split"] = unit.shares(_weights(settings, fleet.model))
    return settings.model_copy(update=settled)


def _kind(fleet: Fleet, cards: Sequence[Card]) -> str:
    """What is left of a placement when cards are gone."""
    return fleet.placement if len(cards) > 1 else "replicas"


def _lay_out(settings: EngineSettings, model: ModelFiles, cards: Sequence[Card]) -> Layout:
    if settings.engine == "transformers" and settings.placement in {"split", "tensor"}:
        raise PlacementError(
            f"placement {settings.placement} needs the engine exllamav2; "
            "transformers has a whole model a card"
        )
    demand = Demand(
        shape=model.shape,
        weights=_weights(settings, model),
        cache=settings.cache,
        reserve=int(settings.reserve * GIB),
        scratch=SCRATCH_BYTES,
    )
    if settings.engine == "transformers" and settings.placement == "auto":
        settings = settings.model_copy(update={"placement": "replicas"})
    return lay_out(settings, demand, cards)


def _weights(settings: EngineSettings, model: ModelFiles) -> Weights:
    """Transformers has the embedding on the card, too."""
    weights = model.weights
    if settings.engine == "exllamav2":
        return weights
    return replace(weights, head=weights.head + weights.embedding, embedding=0)


def _longest(settings: EngineSettings, model: ModelFiles) -> int:
    trained = model.shape.max_position_embeddings
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
