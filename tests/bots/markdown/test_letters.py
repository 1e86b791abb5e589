"""Characters as Telegram, Slack and a reader count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.markdown.letters import border, clean, is_blank, utf16_length, width

FAMILY = "👨‍👩‍👧‍👦"


def test_bidi_overrides_and_controls_and_half_surrogates_do_not_pass() -> None:
    assert clean("a\u202egnp.exe\u2066b\u2069\x00\x07c\ud83dd") == "agnp.exebc\ufffdd"


def test_marks_that_right_to_left_text_needs_pass() -> None:
    assert clean("שלום\u200f! (مرحبا)") == "שלום\u200f! (مرحبا)"


def test_every_kind_of_line_end_becomes_one_kind() -> None:
    assert clean("a\r\nb\rc\n\td") == "a\nb\nc\n\td"


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200d", "\u2800\u3164", "\ufe0f"])
def test_what_nobody_sees_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " 。", "\u200b1", "👍"])
def test_what_somebody_sees_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@given(st.text())
def test_the_length_is_that_of_the_utf16_encoding(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("中文", 4), ("é", 1), ("e\u0301", 1), ("👍🏽", 2), (FAMILY, 2)],
)
def test_the_width_counts_east_asian_letters_and_emoji_twice(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    "whole", [FAMILY, "👍🏽", "🇨🇳", "1️⃣", "e\u0301\u0302", "🏴\U000e0067\U000e007f"]
)
def test_there_is_no_border_within_what_a_reader_sees_as_one(whole: str) -> None:
    text = f"x{whole}y"
    for place in range(2, 1 + len(whole)):
        assert border(text, place) == 1
    assert border(text, 1 + len(whole)) == 1 + len(whole)


def test_there_is_a_border_between_two_flags() -> None:
    assert border("🇨🇳🇺🇸", 2) == 2
    assert border("🇨🇳🇺🇸", 3) == 2


def test_a_letter_with_endless_accents_is_cut_somewhere() -> None:
    assert border("a" + "\u0301" * 1000, 500) == 500
