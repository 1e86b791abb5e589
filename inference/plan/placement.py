"""Where a model goes: on which cards, in how many processes, with how large a pool. Pure.

A 7B on several 24 GB cards does best as one whole model a card: layer split gives no speed, as one
card works at a time, and tensor parallelism exchanges every layer's values through the machine's
own memory (ExLlamaV2 0.3.2). So `auto` splits only what does not fit one card.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from config.engine import PAGE_TOKENS, CacheName, EngineSettings
from inference.plan.shape import ModelShape, Weights

GIB = 1 << 30
SCRATCH_BYTES = 2 * GIB
"""Assumed on every card beside weights and pool: CUDA context, activations, and the fp16 copy of
the output layer that ExLlamaV2 makes (1.07 GB for Qwen2.5)."""
MOST_TENSOR_CARDS = 4
ROUNDING = 0.01
"""Of a layer."""

Placement = Literal["replicas", "split", "tensor"]


class PlacementError(Exception):
    """The model cannot be placed so; the message says why, with numbers."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card; bytes."""

    number: int
    """As nvidia-smi counts it."""
    total: int
    free: int
    name: str = ""
    uuid: str = ""
    """Stays the same when a card before it is gone, unlike its number."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a model asks of cards."""

    shape: ModelShape
    weights: Weights
    cache: CacheName = "fp16"
    reserve: int = GIB
    """Bytes to leave free on each card."""
    scratch: int = SCRATCH_BYTES

    def room(self, card: Card) -> int:
        """What a card has for weights and pool."""
        return card.free - self.reserve - self.scratch


@dataclass(frozen=True, slots=True)
class Unit:
    """One process and its cards."""

    cards: tuple[int, ...]
    pool_tokens: int
    """As many as fit."""
    layers: tuple[int, ...]
    """Layers on each card; all of them on every card with tensor."""

    def shares(self, weights: Weights) -> tuple[float, ...]:
        """GiB of weights on each card: a split's output layer lies on the last."""
        each = weights.layers / sum(self.layers)
        shares = [count * each / GIB for count in self.layers]
        shares[-1] += weights.head / GIB
        return tuple(shares)


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole placement, and why it is this one."""

    placement: Placement
    units: tuple[Unit, ...]
    why: str

    @property
    def pool_tokens(self) -> int:
        """Tokens that all units hold together."""
        return sum(unit.pool_tokens for unit in self.units)

    def conversations(self, tokens: int) -> int:
        """How many of a length fit; each lies in one unit, in whole pages."""
        return sum(unit.pool_tokens // pages(tokens) for unit in self.units)


def pages(tokens: int) -> int:
    """Round a length up to whole pages."""
    return -(-tokens // PAGE_TOKENS) * PAGE_TOKENS


def lay_out(settings: EngineSettings, demand: Demand, cards: Sequence[Card]) -> Layout:
    """Place a model by the settings; raises PlacementError."""
    if not cards:
        raise PlacementError("there is no card")
    least = settings.pool_tokens or settings.max_seq_len or demand.shape.max_position_embeddings
    if settings.placement == "split":
        return split(demand, cards, settings.gpu_split, least)
    if settings.placement == "tensor":
        return tensor(demand, cards, least)
    if settings.placement == "replicas":
        return replicas(demand, cards, least)
    return _auto(demand, cards, least)


def replicas(demand: Demand, cards: Sequence[Card], least: int = PAGE_TOKENS) -> Layout:
    """One whole model on each card, with a pool of `least` tokens or more."""
    every = (demand.shape.num_hidden_layers,)
    units = tuple(Unit((card.number,), _pool(demand, [card], every), every) for card in cards)
    for card, unit in zip(cards, units, strict=True):
        if unit.pool_tokens < least:
            raise PlacementError(_too_small(demand, card, least))
    return Layout("replicas", units, f"{len(units)} whole models, one a card")


def split(
    demand: Demand, cards: Sequence[Card], shares: Sequence[float] = (), least: int = PAGE_TOKENS
) -> Layout:
    """Layers over all cards, by `shares` in GiB or so that the pool is largest."""
    if len(cards) < 2:
        raise PlacementError("placement split needs two cards or more")
    layers = _by_shares(demand, cards, shares) if shares else _for_largest_pool(demand, cards)
    pool = _pool(demand, cards, layers)
    if pool < least:
        raise PlacementError(_too_small_together(demand, cards, least))
    numbers = tuple(card.number for card in cards)
    why = f"one model over {len(cards)} cards, {_listed(layers)} layers"
    return Layout("split", (Unit(numbers, pool, layers),), why)


def tensor(demand: Demand, cards: Sequence[Card], least: int = PAGE_TOKENS) -> Layout:
    """Every layer over all cards, in equal parts."""
    heads = demand.shape.num_key_value_heads
    if not 2 <= len(cards) <= min(MOST_TENSOR_CARDS, heads) or heads % len(cards):
        raise PlacementError(
            f"placement tensor needs 2 to {MOST_TENSOR_CARDS} cards that divide the "
            f"{heads} key-value heads, not {len(cards)}"
        )
    tightest = min(demand.room(card) for card in cards) - demand.weights.on_card // len(cards)
    shape, cache = demand.shape, demand.cache
    each = shape.token_bytes(cache) / len(cards) + shape.staging_bytes(cache)
    pool = _whole_pages(tightest / each)
    if pool < least:
        raise PlacementError(_too_small_together(demand, cards, least))
    layers = (shape.num_hidden_layers,) * len(cards)
    unit = Unit(tuple(card.number for card in cards), pool, layers)
    return Layout("tensor", (unit,), f"every layer over {len(cards)} cards")


def _auto(demand: Demand, cards: Sequence[Card], least: int) -> Layout:
    try:
        layout = replicas(demand, cards, least)
    except PlacementError as error:
        if len(cards) < 2:
            raise
        why = f"{error}; so its layers go over {len(cards)} cards"
        return Layout("split", split(demand, cards, least=least).units, why)
    smallest = min(layout.units, key=lambda unit: unit.pool_tokens).pool_tokens
    why = f"one card holds model and pool ({smallest} tokens, {least} needed)"
    if len(cards) > 1:
        why += f", and {len(cards)} whole models side by side are fastest"
    return Layout("replicas", layout.units, why)


def _pool(demand: Demand, cards: Sequence[Card], layers: Sequence[int]) -> int:
    """Tokens for which each card has room beside its layers; the last has the output layer, too."""
    shape, cache = demand.shape, demand.cache
    heads = [0] * (len(cards) - 1) + [demand.weights.head]
    return min(
        _whole_pages(
            (demand.room(card) - head - count * demand.weights.layers / shape.num_hidden_layers)
            / (count * shape.layer_token_bytes(cache) + shape.staging_bytes(cache) or 1)
        )
        for card, head, count in zip(cards, heads, layers, strict=True)
    )


def _for_largest_pool(demand: Demand, cards: Sequence[Card]) -> tuple[int, ...]:
    """Layers for each card: the largest pool for which they all find room, by bisection."""
    least, most = 0, 1 << 26
    while most - least > PAGE_TOKENS:
        middle = (least + most) // 2
        enough = sum(_capacity(demand, cards, middle)) >= demand.shape.num_hidden_layers
        least, most = (middle, most) if enough else (least, middle)
    layers = _capacity(demand, cards, least)
    while sum(layers) > demand.shape.num_hidden_layers:
        layers[layers.index(max(layers))] -= 1
    if sum(layers) < demand.shape.num_hidden_layers:
        raise PlacementError(_too_small_together(demand, cards, PAGE_TOKENS))
    return tuple(layers)


def _capacity(demand: Demand, cards: Sequence[Card], pool: int) -> list[int]:
    """How many layers each card takes beside its part of such a pool."""
    shape, cache = demand.shape, demand.cache
    layer = demand.weights.layers / shape.num_hidden_layers + pool * shape.layer_token_bytes(cache)
    heads = [0] * (len(cards) - 1) + [demand.weights.head]
    rooms = [
        demand.room(card) - head - pool * shape.staging_bytes(cache)
        for card, head in zip(cards, heads, strict=True)
    ]
    return [max(0, int(room / layer)) for room in rooms]


def _by_shares(demand: Demand, cards: Sequence[Card], shares: Sequence[float]) -> tuple[int, ...]:
    """Fill the cards in order, each up to its share."""
    if len(shares) != len(cards):
        raise PlacementError(f"gpu_split has {len(shares)} numbers for {len(cards)} cards")
    each = demand.weights.layers / demand.shape.num_hidden_layers
    left = demand.shape.num_hidden_layers
    layers = []
    for share in shares:
        # What `Unit.shares` says comes back as the same layers, whatever rounding does.
        layers.append(min(left, int(share * GIB / each + ROUNDING)))
        left -= layers[-1]
    if left or layers[-1] * each + demand.weights.head > shares[-1] * GIB + ROUNDING * each:
        needed = f"{demand.weights.on_card / GIB:.1f} GiB, the output layer on the last card"
        raise PlacementError(f"gpu_split [{_listed(shares)}] does not hold the weights: {needed}")
    return tuple(layers)


def _whole_pages(tokens: float) -> int:
    return max(0, int(tokens // PAGE_TOKENS)) * PAGE_TOKENS


def _too_small(demand: Demand, card: Card, least: int) -> str:
    return f"card {card.number} has {_gib(card.free)} free, but {_needs(demand, least, 1)}"


def _too_small_together(demand: Demand, cards: Sequence[Card], least: int) -> str:
    free = ", ".join(_gib(card.free) for card in cards)
    return f"the cards have {free} free, but {_needs(demand, least, len(cards))}"


def _needs(demand: Demand, least: int, cards: int) -> str:
    shape, cache = demand.shape, demand.cache
    pool = least * (shape.token_bytes(cache) + cards * shape.staging_bytes(cache))
    beside = cards * (demand.scratch + demand.reserve)
    return (
        f"{_gib(demand.weights.on_card + pool + beside)} are needed: weights "
        f"{_gib(demand.weights.on_card)}, {least} tokens of {cache} cache {_gib(pool)}, "
        f"scratch and reserve {_gib(beside)}"
    )


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
