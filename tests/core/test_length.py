"""The length limit of an answer."""

from hypothesis import given
from hypothesis import strategies as st

from core.length import LengthLimit


def kept(text: str, limit: int, size: int = 1) -> str:
    length = LengthLimit(limit)
    return "".join(length.feed(text[at : at + size]) for at in range(0, len(text), size))


def test_an_answer_within_the_limit_is_untouched():
    assert kept("一二三。四五六。", 8) == "一二三。四五六。"


def test_the_sentence_that_crosses_the_limit_is_finished():
    assert kept("一二三四五六七八九。后面不要", 8) == "一二三四五六七八九。"


def test_a_sentence_that_does_not_end_is_cut():
    assert kept("字" * 100, 8) == "字" * 10 + "…"


def test_a_point_in_a_number_ends_no_sentence():
    assert kept("It costs 12.50 now. More", 10, size=24) == "It costs 12.…"
    assert kept("It costs 12.50 now. More", 16, size=24) == "It costs 12.50 now."


@given(st.text(max_size=60), st.integers(1, 40), st.integers(1, 9))
def test_chunks_change_nothing_but_points_at_their_edge(text, limit, size):
    whole = kept(text.replace(".", ""), limit, 1000)
    assert kept(text.replace(".", ""), limit, size) == whole
    assert len(whole) <= limit * 1.25 + 1
