"""Forms in a text, and what a text may become."""

import pytest

from core.moderation.index import Index
from core.moderation.terms import Term

FORMS = ("cde", "abc", "银行", "abcd", "b", "abc")
TERMS = [
    Term(str(number), False, form, form, frozenset(), dense=False, accents=None)
    for number, form in enumerate(FORMS)
]


@pytest.fixture
def index() -> Index:
    return Index(FORMS, TERMS)


def test_overlapping_forms_are_all_found(index: Index):
    found = sorted((begin, end, term.category) for begin, end, term in index.matches("xabcd银行"))
    assert found == [(1, 4, "1"), (1, 4, "5"), (1, 5, "3"), (2, 3, "4"), (5, 7, "2")]


@pytest.mark.parametrize(
    ("letters", "begins"),
    [("xab", [1]), ("abc", [0, 2]), ("abcd", [2]), ("b", []), ("", []), ("cab银", [3]), ("z", [])],
)
def test_the_beginning_of_a_longer_form_is_unfinished(
    index: Index, letters: str, begins: list[int]
):
    assert list(index.unfinished(letters)) == begins


def test_every_true_beginning_of_every_form_is_unfinished(index: Index):
    for form in FORMS:
        for size in range(1, len(form)):
            assert 4 in index.unfinished("wxyz" + form[:size])


def test_without_forms_there_is_nothing():
    empty = Index([], [])
    assert list(empty.matches("abc")) == list(empty.unfinished("abc")) == []
    assert empty.longest == 0
