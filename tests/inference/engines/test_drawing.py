"""How the Transformers engine draws a token."""

from collections import Counter

import pytest

torch = pytest.importorskip("torch", reason="needs torch: make test-model")

from inference.engines.drawing import Dice  # noqa: E402
from inference.jobs.job import Sampling  # noqa: E402

pytestmark = pytest.mark.model
PLAIN = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}
SHARES = torch.tensor([0.5, 0.3, 0.15, 0.05])


def draws(count: int = 2000, prompt: tuple[int, ...] = (), **sampling) -> Counter[int]:
    dice = Dice(Sampling(**{**PLAIN, "seed": 1, **sampling}), prompt, len(SHARES))
    return Counter(dice.draw(dice.weigh(SHARES.log())) for _ in range(count))


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


def test_a_penalty_is_for_tokens_of_the_prompt_and_of_the_answer() -> None:
    """A logarithm of a likelihood is negative: twice as negative is the square of it."""
    dice = Dice(Sampling(**{**PLAIN, "repetition_penalty": 2.0}), (0,), len(SHARES))
    dice.note(1)
    expected = [0.5**2, 0.3**2, 0.15, 0.05]
    assert dice.weigh(SHARES.log()).exp().tolist() == pytest.approx(expected)
    positive = torch.tensor([2.0, 4.0, 2.0, 4.0])
    assert dice.weigh(positive).tolist() == [1.0, 2.0, 2.0, 4.0]


def test_the_models_own_logits_are_not_changed() -> None:
    logits = SHARES.log()
    before = logits.clone()
    dice = Dice(Sampling(repetition_penalty=1.5, logit_bias={1: 3.0}), (0, 1), len(SHARES))
    dice.draw(dice.weigh(logits))
    assert torch.equal(logits, before)
