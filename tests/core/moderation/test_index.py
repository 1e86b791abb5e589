"""Forms in a text, and what a text may become."""

import pytest

from core.moderation.index import Index


@pytest.fixture
def index() -> Index:
    return Index({form: () for form in ("abc", "abcd", "b", "cde", "银行")})


def test_overlapping_forms_are_all_found(index: Index):
    found = sorted((begin, end) for begin, end, _ in index.matches("xabcd银行"))
    assert found == [(1, 4), (1, 5), (2, 3), (5, 7)]


@pytest.mark.parametrize(
    ("letters", "begins"),
    [("xab", [1]), ("abc", [0, 2]), ("abcd", [2]), ("b", []), ("", []), ("cab银", [3]), ("z", [])],
)
def test_the_beginning_of_a_longer_form_is_unfinished(
    index: Index, letters: str, begins: list[int]
):
    assert list(index.unfinished(letters)) == begins


def test_every_true_beginning_of_every_form_is_unfinished(index: Index):
    for form in ("abc", "abcd", "cde", "银行"):
        for size in range(1, len(form)):
            assert 4 in index.unfinished("wxyz" + form[:size])


def test_without_forms_there_is_nothing():
    empty = Index({})
    assert list(empty.matches("abc")) == list(empty.unfinished("abc")) == []
    assert empty.longest == 0
