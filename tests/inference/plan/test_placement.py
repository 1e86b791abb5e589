"""The arithmetic against the tables of the memory study: Qwen2.5-7B on 4 x 24 GB."""

import pytest

from config.engine import EngineSettings
from inference.plan.ceiling import RTX_4090D_BANDWIDTH, ceilings, tokens_per_second
from inference.plan.placement import (
    GIB,
    Card,
    Demand,
    Layout,
    PlacementError,
    lay_out,
    replicas,
    split,
    tensor,
)
from inference.plan.shape import QWEN25_7B, weights_at

CARDS = [Card(number, 24 * GIB, 24 * GIB) for number in range(4)]
LENGTHS = (4096, 8192, 32_768, 131_072)
BIG = QWEN25_7B.model_copy(
    update={"num_hidden_layers": 64, "hidden_size": 5120, "intermediate_size": 27_648}
)

# bits per weight, cache, pool of one card in thousands, conversations on 4 replicas,
# pool of a split over 4, its conversations
TABLE = [
    (4.0, "fp16", 329, (320, 160, 40, 8), 1510, (368, 184, 46, 11)),
    (4.0, "q8", 581, (564, 280, 68, 16), 2240, (546, 273, 68, 17)),
    (4.0, "q6", 745, (724, 360, 88, 20), 2750, (670, 335, 83, 20)),
    (4.0, "q4", 1040, (1012, 504, 124, 28), 3560, (868, 434, 108, 27)),
    (5.0, "fp16", 315, (304, 152, 36, 8), 1490, (364, 182, 45, 11)),
    (5.0, "q4", 994, (968, 484, 120, 28), 3520, (860, 430, 107, 26)),
    (6.0, "fp16", 301, (292, 144, 36, 8), 1480, (361, 180, 45, 11)),
    (6.0, "q8", 530, (516, 256, 64, 16), 2200, (536, 268, 67, 16)),
    (8.0, "fp16", 270, (260, 128, 32, 8), 1450, (353, 176, 44, 11)),
    (8.0, "q6", 611, (596, 296, 72, 16), 2640, (644, 322, 80, 20)),
]


def demand(bpw: float = 4.0, cache: str = "fp16", shape=QWEN25_7B) -> Demand:
    return Demand(shape, weights_at(shape, bpw), cache)


def conversations(layout: Layout) -> tuple[int, ...]:
    return tuple(layout.conversations(length) for length in LENGTHS)


@pytest.mark.parametrize(
    ("bpw", "on_card", "file"),
    [(4.0, 3.67, 4.76), (5.0, 4.49, 5.58), (6.0, 5.30, 6.39), (8.0, 7.07, 8.16)],
)
def test_weights_are_those_of_the_table(bpw, on_card, file):
    weights = weights_at(QWEN25_7B, bpw)
    assert round(weights.on_card / 1e9, 2) == on_card
    assert round(weights.file / 1e9, 2) == file


@pytest.mark.parametrize(
    ("cache", "size", "staging"),
    [("fp16", 57_344, 0), ("q8", 30_464, 2048), ("q6", 23_296, 2048), ("q4", 16_128, 2048)],
)
def test_a_token_takes_what_the_table_says(cache, size, staging):
    assert QWEN25_7B.token_bytes(cache) == size
    assert QWEN25_7B.staging_bytes(cache) == staging


@pytest.mark.parametrize(("bpw", "cache", "pool", "on_replicas", "together", "on_split"), TABLE)
def test_pools_and_conversations_are_those_of_the_table(
    bpw, cache, pool, on_replicas, together, on_split
):
    side_by_side = replicas(demand(bpw, cache), CARDS)
    assert side_by_side.units[0].pool_tokens / 1000 == pytest.approx(pool, rel=0.005)
    assert conversations(side_by_side) == on_replicas
    # The table cuts layers anywhere. With whole ones the last card, which has the output layer too,
    # ends a little sooner; equal parts of every layer (tensor) are the table's case.
    over_all = split(demand(bpw, cache), CARDS)
    assert over_all.pool_tokens / 1000 == pytest.approx(together, rel=0.025)
    assert over_all.pool_tokens / 1000 < together * 1.001
    assert conversations(tensor(demand(bpw, cache), CARDS)) == on_split


@pytest.mark.parametrize(
    ("bpw", "expected"),
    [
        (4.0, (274, 258, 182)),
        (5.0, (225, 213, 158)),
        (6.0, (190, 182, 140)),
        (8.0, (143, 138, 113)),
    ],
)
def test_ceilings_are_those_of_the_table(bpw, expected):
    counted = [
        tokens_per_second(demand(bpw), RTX_4090D_BANDWIDTH, context)
        for context in (0, 4096, 32_768)
    ]
    assert counted == pytest.approx(expected, abs=1)


def test_only_replicas_are_faster_together_than_alone():
    single, together = ceilings(replicas(demand(), CARDS), demand(), RTX_4090D_BANDWIDTH, 0)
    assert together == 4 * single
    alone, split_up = ceilings(split(demand(), CARDS), demand(), RTX_4090D_BANDWIDTH, 0)
    assert alone == split_up == single


def test_auto_takes_replicas_where_one_card_holds_model_and_pool():
    layout = lay_out(EngineSettings(), demand(), CARDS)
    assert layout.placement == "replicas"
    assert [unit.cards for unit in layout.units] == [(0,), (1,), (2,), (3,)]
    assert "one card holds model and pool" in layout.why


def test_auto_splits_what_does_not_fit_one_card_and_says_why():
    layout = lay_out(EngineSettings(), demand(6.0, shape=BIG), CARDS)
    assert layout.placement == "split"
    assert sum(layout.units[0].layers) == 64
    assert "card 0 has 24.0 GiB free, but" in layout.why
    assert "so its layers go over 4 cards" in layout.why


def test_auto_splits_when_a_pool_is_asked_for_that_one_card_does_not_hold():
    settings = EngineSettings(pool_tokens=1_024_000)
    assert lay_out(settings, demand(), CARDS).placement == "split"


def test_what_fits_nowhere_is_refused_with_numbers():
    with pytest.raises(
        PlacementError, match=r"card 0 has 24\.0 GiB free, but 6.\.. GiB are needed"
    ):
        lay_out(EngineSettings(), demand(16.0, shape=BIG), CARDS[:1])
    with pytest.raises(PlacementError, match=r"the cards have 24\.0 GiB, 24\.0 GiB free"):
        split(demand(16.0, shape=BIG), CARDS[:2])


@pytest.mark.parametrize("placement", ["replicas", "split", "tensor"])
def test_a_pool_in_which_no_whole_context_fits_is_refused_with_numbers(placement):
    cards = [Card(number, 8 * GIB, 8 * GIB) for number in range(2)]
    settings = EngineSettings(placement=placement, max_seq_len=131_072)
    with pytest.raises(PlacementError, match=r"are needed: weights 3.4 GiB, 131072 tokens"):
        lay_out(settings, demand(), cards)
    assert lay_out(EngineSettings(placement=placement, max_seq_len=4096), demand(), cards)


def test_a_card_that_is_partly_taken_gets_fewer_layers():
    cards = [Card(0, 24 * GIB, 12 * GIB), Card(1, 24 * GIB, 24 * GIB)]
    layers = split(demand(), cards).units[0].layers
    assert sum(layers) == 28
    assert layers[0] < layers[1]


def test_shares_are_filled_in_order():
    layout = split(demand(), CARDS[:2], (1.0, 3.0))
    first, second = layout.units[0].layers
    assert first == int(1.0 * GIB / (demand().weights.layers / 28))
    assert first + second == 28
    assert sum(layout.units[0].shares(demand().weights)) * GIB == pytest.approx(
        demand().weights.on_card
    )


def test_shares_that_were_computed_come_back_as_the_same_layers():
    for cards in (CARDS[:2], CARDS[:3], CARDS):
        unit = split(demand(5.0), cards).units[0]
        again = split(demand(5.0), cards, unit.shares(demand(5.0).weights)).units[0]
        assert again.layers == unit.layers


@pytest.mark.parametrize("shares", [(1.0, 1.0), (4.0, 0.1)])
def test_shares_that_do_not_hold_the_weights_are_refused(shares):
    with pytest.raises(PlacementError, match=r"does not hold the weights: 3\.4 GiB"):
        split(demand(), CARDS[:2], shares)


def test_tensor_wants_cards_that_divide_the_heads():
    with pytest.raises(PlacementError, match="divide the 4 key-value heads, not 3"):
        tensor(demand(), CARDS[:3])


def test_a_split_over_one_card_is_none():
    with pytest.raises(PlacementError, match="two cards or more"):
        split(demand(), CARDS[:1])


def test_without_a_card_nothing_is_placed():
    with pytest.raises(PlacementError, match="there is no card"):
        lay_out(EngineSettings(), demand(), [])
