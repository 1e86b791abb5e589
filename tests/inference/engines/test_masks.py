import pytest

torch = pytest.importorskip("torch", reason="needs torch: make test-model")

from inference.engines.masks import Mask  # noqa: E402

pytestmark = pytest.mark.model

ENDS = frozenset({90})


class Fixed:
    def __init__(self, *allowed: int, complete: bool = False) -> None:
        self.allowed = allowed
        self.is_complete = complete
        self.fills = 0

    def fill(self, mask: memoryview) -> None:
        self.fills += 1
        little = mask.cast("B")
        for token in self.allowed:
            little[token // 8] |= 1 << (token % 8)

    def accept(self, token: int) -> bool:
        return token in self.allowed


def allowed_by(mask: Mask, width: int = 96) -> list[int]:
    logits = mask.apply(torch.zeros(width))
    return torch.isfinite(logits).nonzero().flatten().tolist()


def test_only_what_the_grammar_allows_stays_possible():
    assert allowed_by(Mask(Fixed(0, 7, 8, 31, 32, 95), ENDS, 96)) == [0, 7, 8, 31, 32, 95]


def test_a_width_that_is_no_multiple_of_32_has_no_tokens_beyond_it():
    assert allowed_by(Mask(Fixed(0, 39), ENDS, 100), 100) == [0, 39]


@pytest.mark.parametrize("grammar", [Fixed(), Fixed(5, complete=True)])
def test_when_nothing_may_follow_the_end_may(grammar):
    assert allowed_by(Mask(grammar, ENDS, 96)) == [90]


def test_a_mask_is_computed_once_for_each_token():
    grammar = Fixed(5)
    mask = Mask(grammar, ENDS, 96)
    mask.prepare()
    assert allowed_by(mask) == [5]
    mask.accept(5)
    assert allowed_by(mask) == [5]
    assert grammar.fills == 2


def test_a_refused_token_breaks_it_but_an_end_does_not():
    mask = Mask(Fixed(5), ENDS, 96)
    mask.accept(90)
    assert not mask.is_broken
    mask.accept(6)
    assert mask.is_broken
    assert allowed_by(mask) == [90]
