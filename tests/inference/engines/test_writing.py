from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.writing import Writer


def write(tokens: list[bytes], *stops: str) -> tuple[list[str], bool]:
    writer = Writer(stops)
    told = []
    for token in tokens:
        told.append(writer.add(token))
        if writer.is_stopped:
            return told, True
    return [*told, writer.close()], False


def test_text_is_told_as_it_comes() -> None:
    assert write([b"a", " 退".encode(), b"c"]) == (["a", " 退", "c", ""], False)


def test_half_a_character_waits_for_the_rest() -> None:
    first, second = "退".encode()[:2], "退".encode()[2:]
    assert write([b"a" + first, second + b"b"]) == (["", "a退b", ""], False)


def test_half_a_character_at_the_end_is_dropped() -> None:
    assert write(["ab退".encode()[:-1]]) == (["", "ab"], False)


def test_what_may_become_a_stop_text_waits() -> None:
    assert write([b"a\n", b"User", b":"], "\nUser:") == (["", "", "a"], True)
    assert write([b"a\n", b"Us", b"!"], "\nUser:") == (["", "", "a\nUs!", ""], False)


def test_the_first_of_several_stop_texts_ends_the_answer() -> None:
    assert write([b"one two three"], "three", "two") == (["one "], True)


@pytest.mark.parametrize("stop", ["aab", "ab", "b"])
def test_a_stop_text_that_begins_twice_is_found(stop: str) -> None:
    told, stopped = write([b"a", b"a", b"a", b"b"], stop)
    assert stopped
    assert "".join(told) == "aaab"[: "aaab".index(stop)]


LETTERS = st.text(st.sampled_from("ab退😀"), max_size=20)


@given(LETTERS, st.lists(st.text(st.sampled_from("ab退"), min_size=1, max_size=4)), st.data())
def test_an_answer_is_the_text_up_to_the_first_stop_text_however_it_comes(
    text: str, stops: list[str], data: st.DataObject
) -> None:
    whole = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)))))
    told, _ = write([whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])], *stops)
    answer = "".join(told)
    assert text.startswith(answer)
    assert not any(stop in answer for stop in stops)
    found = [text.index(stop) for stop in stops if stop in text]
    if not found:
        assert answer == text
