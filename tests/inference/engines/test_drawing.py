"""How a token is drawn."""

import math
from collections import Counter

import pytest

torch = pytest.importorskip("torch", reason="needs torch: make test-model")

import numpy as np  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from inference.engines.drawing import Dice, Row, read_rows  # noqa: E402
from inference.jobs.job import Sampling  # noqa: E402

pytestmark = pytest.mark.model
PLAIN = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}
SHARES = torch.tensor([0.5, 0.3, 0.15, 0.05])


def row_of(logits: torch.Tensor, count: int = 128) -> Row:
    return next(read_rows(logits.unsqueeze(0), count))


def draws(count: int = 2000, prompt: tuple[int, ...] = (), **sampling) -> Counter[int]:
    dice = Dice(Sampling(**{**PLAIN, "seed": 1, **sampling}), prompt, len(SHARES))
    return Counter(dice.draw(row_of(SHARES.log())) for _ in range(count))


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    drawn = draws()
    assert [drawn[token] / 2000 for token in range(4)] == pytest.approx(SHARES.tolist(), abs=0.04)


@pytest.mark.parametrize(
    ("sampling", "left"),
    [
        ({"temperature": 0.0}, {0}),
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.5}, {0}),
        ({"top_p": 0.79}, {0, 1}),
        ({"top_p": 0.81}, {0, 1, 2}),
        ({"top_p": 0.0}, {0}),
        ({"min_p": 0.5}, {0, 1}),
        ({"min_p": 1.0}, {0}),
        ({"top_k": 3, "top_p": 0.6}, {0, 1}),
        ({"logit_bias": {0: -100.0}}, {1, 2, 3}),
        ({"logit_bias": {3: 100.0}}, {3}),
    ],
)
def test_unlikely_tokens_are_left_out(sampling: dict[str, object], left: set[int]) -> None:
    assert set(draws(500, **sampling)) == left


def test_a_high_temperature_evens_out() -> None:
    drawn = draws(temperature=100.0)
    assert all(count > 400 for count in drawn.values())


def shares_of(dice: Dice, row: Row, banned=None) -> dict[int, float]:
    tokens, shares = dice.chances(row, banned)
    assert len(tokens) == len(set(tokens.tolist()))
    return dict(zip(tokens.tolist(), (shares / shares.sum()).tolist(), strict=True))


def test_a_penalty_is_for_tokens_of_the_prompt_and_of_the_answer() -> None:
    """A logarithm of a likelihood is negative: twice as negative is the square of it."""
    dice = Dice(Sampling(**{**PLAIN, "repetition_penalty": 2.0}), (0,), len(SHARES))
    dice.note(1)
    expected = [0.5**2, 0.3**2, 0.15, 0.05]
    shares = shares_of(dice, row_of(SHARES.log()))
    assert shares == pytest.approx({n: each / sum(expected) for n, each in enumerate(expected)})
    positive = shares_of(dice, row_of(torch.tensor([2.0, 4.0, 2.0, 4.0])))
    total = sum(map(math.exp, (1, 2, 2, 4)))
    assert positive == pytest.approx({n: math.exp(e) / total for n, e in enumerate((1, 2, 2, 4))})


def test_the_models_own_logits_are_not_changed() -> None:
    logits = SHARES.log()
    before = logits.clone()
    dice = Dice(Sampling(repetition_penalty=1.5, logit_bias={1: 3.0}), (0, 1), len(SHARES))
    for count in (2, 4):
        dice.draw(row_of(logits, count))
    assert torch.equal(logits, before)


def test_what_is_banned_is_not_drawn_even_if_all_the_likeliest_are() -> None:
    dice = Dice(Sampling(), (), len(SHARES))
    banned = np.array([True, True, False, True])
    assert set(shares_of(dice, row_of(SHARES.log(), 2), banned)) == {2}


@pytest.mark.parametrize("count", [2, 4])
def test_output_that_is_not_a_number_draws_nothing(count) -> None:
    dice = Dice(Sampling(), (), len(SHARES))
    dice.draw(row_of(SHARES.log(), count))
    assert dice.fault == ""
    dice.draw(row_of(torch.tensor([1.0, 2.0, math.nan, -math.inf]), count))
    assert "not a number" in dice.fault


def test_a_seed_draws_the_same_again() -> None:
    row = row_of(torch.zeros(1000))
    sampling = Sampling(**{**PLAIN, "seed": 5})
    drawn = [[Dice(sampling, (), 1000).draw(row) for _ in range(2)] for _ in range(3)]
    one = Dice(sampling, (), 1000)
    assert [each[0] for each in drawn] == [one.draw(row)] * 3
    unseeded = {Dice(Sampling(**PLAIN), (), 1000).draw(row) for _ in range(20)}
    assert len(unseeded) > 5


VOCABULARY = 300
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.01, 0.7, 1.0, 2.0]),
    top_p=st.sampled_from([0.0, 0.5, 0.8, 0.999, 1.0]),
    top_k=st.sampled_from([0, 1, 5, 20, 299, 1000]),
    min_p=st.sampled_from([0.0, 0.05, 1.0]),
    repetition_penalty=st.sampled_from([0.8, 1.0, 1.05, 3.0]),
    presence_penalty=st.sampled_from([-2.0, 0.0, 2.0]),
    frequency_penalty=st.sampled_from([-2.0, 0.0, 0.5]),
    logit_bias=st.dictionaries(
        st.integers(0, 299), st.sampled_from([-100.0, -1.0, 1.0]), max_size=9
    ),
)


@given(SAMPLINGS, st.integers(0, 2**32), st.booleans(), st.sampled_from([0.3, 2.0, 8.0]))
def test_the_likeliest_are_looked_at_first_and_nothing_changes_by_it(
    sampling: Sampling, seed: int, masked: bool, spread: float
) -> None:
    """Against sorting all of them, one after the other, as the rules are told."""
    chance = np.random.default_rng(seed)
    logits = torch.tensor(chance.normal(0, spread, VOCABULARY), dtype=torch.float32)
    banned = chance.random(VOCABULARY) < 0.9 if masked else None
    if banned is not None:
        banned[7] = False
    prompt, said = chance.integers(0, VOCABULARY, 30).tolist(), logits.topk(6).indices.tolist()
    dice = Dice(sampling, prompt, VOCABULARY)
    for token in [*said, said[0]]:
        dice.note(token)
    found = shares_of(dice, row_of(logits, 32), banned)
    expected = chances_by_the_rules(sampling, logits.tolist(), prompt, [*said, said[0]], banned)
    likely = {token: share for token, share in found.items() if share > 1e-9}
    assert likely == pytest.approx(expected, rel=1e-4)


def chances_by_the_rules(sampling, logits, prompt, said, banned) -> dict[int, float]:
    known, weighed = {*prompt, *said}, {}
    for token, logit in enumerate(logits):
        penalty = sampling.repetition_penalty if token in known else 1.0
        weighed[token] = logit / penalty if logit > 0 else logit * penalty
        weighed[token] += sampling.logit_bias.get(token, 0.0)
        if token in said:
            times = said.count(token)
            weighed[token] -= sampling.presence_penalty + sampling.frequency_penalty * times
        if banned is not None and banned[token]:
            del weighed[token]
    order = sorted(weighed, key=lambda token: -weighed[token])
    if sampling.temperature == 0 or sampling.top_p == 0:
        return {order[0]: 1.0}
    order = order[: sampling.top_k or None]
    weights = [
        math.exp((weighed[each] - weighed[order[0]]) / sampling.temperature) for each in order
    ]
    shares = [each / sum(weights) for each in weights]
    kept, before = {}, 0.0
    for token, share in zip(order, shares, strict=True):
        if not kept or (before < sampling.top_p and share >= sampling.min_p * shares[0]):
            kept[token] = share
        before += share
    total = sum(kept.values())
    return {token: share / total for token, share in kept.items() if share / total > 1e-9}
