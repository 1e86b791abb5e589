"""The choice between overlapping finds, whole and piece by piece."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.moderation.hits import Choice, Found, masked
from core.moderation.terms import Term

ACTIONS = {"bad": "refuse", "rival": "mask", "watched": "log"}


def find(start: int, end: int, category: str = "rival", *, allows: bool = False) -> Found:
    term = Term(category, allows, "x", "x", frozenset(), dense=False, accents=None)
    return Found(start, end, term)


FINDS = st.lists(
    st.builds(
        lambda start, size, category, allows: find(start, start + size, category, allows=allows),
        st.integers(0, 30),
        st.integers(1, 8),
        st.sampled_from(["bad", "rival", "watched"]),
        st.booleans(),
    )
)


@given(finds=FINDS, cuts=st.lists(st.integers(0, 30)))
def test_pieces_in_order_give_the_same_choice_as_all_at_once(finds: list[Found], cuts: list[int]):
    choice = Choice(ACTIONS)
    pieces = [
        [each for each in finds if begin <= each.start < end]
        for begin, end in pairwise(sorted({0, *cuts, 99}))
    ]
    assert [hit for piece in pieces for hit in choice.take(piece)] == Choice(ACTIONS).take(finds)


@given(finds=FINDS)
def test_hits_of_one_action_never_overlap_and_none_is_lost_for_nothing(finds: list[Found]):
    hits = Choice(ACTIONS).take(finds)
    for action in ACTIONS.values():
        spans = [(hit.start, hit.end) for hit in hits if hit.action == action]
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    allowed = [each for each in finds if each.term.allows]
    for each in finds:
        inside = any(
            it.start <= each.start and each.end <= it.end
            for it in allowed
            if it.term.category == each.term.category
        )
        rivals = [hit for hit in hits if hit.category == each.term.category]
        touched = any(hit.start < each.end and each.start < hit.end for hit in rivals)
        assert each.term.allows or inside or touched


def test_the_longer_of_two_words_at_one_place_counts():
    assert [hit.end for hit in Choice(ACTIONS).take([find(2, 4), find(2, 6), find(3, 9)])] == [6]


def test_a_phrase_allows_only_what_lies_inside():
    phrase = find(0, 4, allows=True)
    hits = Choice(ACTIONS).take([find(0, 3), phrase, find(2, 4), find(3, 5), find(0, 2, "bad")])
    assert [(hit.category, hit.start) for hit in hits] == [("bad", 0), ("rival", 3)]


def test_masks_may_reach_over_both_ends():
    assert masked("abcd", [(-5, 1), (3, 9)]) == "*bc*"
