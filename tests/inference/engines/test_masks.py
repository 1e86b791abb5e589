from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from inference.engines.masks import Mask

ENDS = frozenset({90})
BESIDE = ThreadPoolExecutor(2)


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


def mask_of(grammar: Fixed, vocabulary: int = 96) -> Mask:
    return Mask(grammar, ENDS, vocabulary, BESIDE)


def allowed_by(mask: Mask) -> list[int]:
    return np.flatnonzero(~mask.banned()).tolist()


def test_only_what_the_grammar_allows_stays_possible():
    assert allowed_by(mask_of(Fixed(0, 7, 8, 31, 32, 95))) == [0, 7, 8, 31, 32, 95]


def test_a_vocabulary_that_is_no_multiple_of_32_has_no_tokens_beyond_it():
    assert allowed_by(mask_of(Fixed(0, 39), 100)) == [0, 39]


@pytest.mark.parametrize("grammar", [Fixed(), Fixed(5, complete=True)])
def test_when_nothing_may_follow_the_end_may(grammar):
    assert allowed_by(mask_of(grammar)) == [90]


def test_a_mask_is_computed_once_for_each_token():
    grammar = Fixed(5)
    mask = mask_of(grammar)
    assert allowed_by(mask) == allowed_by(mask) == [5]
    mask.accept(5)
    assert allowed_by(mask) == [5]
    assert grammar.fills == 2


def test_a_refused_token_breaks_it_but_an_end_does_not():
    mask = mask_of(Fixed(5))
    assert mask.accept(90)
    assert not mask.accept(6)
