"""Pieces keep Telegram's limits and lose nothing, whatever the answer."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.cost import takes_less_than
from peers.markdown_samples import FAMILY, covered, formats, long_answer, nasty

from bots.markdown.entities import MAX_ENTITIES, MAX_UNITS
from bots.markdown.letters import is_blank, utf16_length
from bots.markdown.telegram import Piece, plain_text, render

LETTERS = st.lists(
    st.sampled_from([*"abcXYZ中文字，。！“”é ", "\n", "\n\n", FAMILY, "👍🏽", "שלום"])
).map("".join)
MARKUP = st.lists(
    st.sampled_from([*"ab中*_`#>-+!|\\\n\t ", "**", "- ", "> ", "|-|-|", "\n\n", "1. "])
).map("".join)


def visible(text: str) -> str:
    return re.sub(r"\s", "", text)


def check(piece: Piece) -> None:
    """Everything that the Bot API asks of a message."""
    assert not is_blank(piece.text)
    assert utf16_length(piece.text) <= MAX_UNITS
    assert len(piece.entities) <= MAX_ENTITIES
    assert piece.text == piece.text.rstrip()
    stack: list[tuple[int, str]] = []
    for entity in piece.entities:
        assert covered(piece, entity)
        end = entity.offset + entity.length
        assert end <= utf16_length(piece.text)
        stack = [(other, kind) for other, kind in stack if other > entity.offset]
        assert all(end <= other for other, _ in stack)
        assert not {"code", "pre"} & {kind for _, kind in stack}
        assert entity.kind not in {kind for _, kind in stack}
        stack.append((end, entity.kind))


@given(nasty)
@settings(max_examples=300)
def test_any_answer_keeps_the_limits(markdown: str) -> None:
    for piece in render(markdown * 3):
        check(piece)


@given(nasty, st.integers(2, 300))
@settings(max_examples=60, deadline=None)
def test_any_long_answer_keeps_the_limits(markdown: str, times: int) -> None:
    for piece in render((markdown + "\n\n")[:200] * times):
        check(piece)
        assert utf16_length(plain_text(piece)) <= MAX_UNITS


@given(LETTERS, st.integers(1, 2000))
@settings(max_examples=100, deadline=None)
def test_no_visible_character_of_a_plain_answer_is_lost(text: str, times: int) -> None:
    pieces = render((text * times)[:30_000])
    assert visible("".join(p.text for p in pieces)) == visible((text * times)[:30_000])


@given(MARKUP, st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_no_letter_of_a_marked_answer_is_lost(text: str, times: int) -> None:
    markdown = text.replace("```", "``") * times
    shown = "".join(piece.text for piece in render(markdown.replace("```", "``")))
    assert re.sub(r"[^ab中]", "", shown) == re.sub(r"[^ab中]", "", markdown)


def test_twenty_thousand_characters_break_between_blocks() -> None:
    markdown = long_answer(20_000)
    pieces = render(markdown)
    assert 5 <= len(pieces) <= 12
    for piece in pieces:
        check(piece)
        assert piece.text.startswith(("退货说明", "1. 打开", "def price", "名称 |", "七天", "这是"))
        assert piece.text.endswith(("提交", "a * b", "5", "之后", "👍🏽。"))
    assert sum(piece.text.count("https") + len(piece.entities) for piece in pieces) > 300


def test_a_heading_goes_with_what_it_heads() -> None:
    pieces = render("字" * 4000 + "\n\n## 标题\n\n" + "文" * 200)
    assert [piece.text[:2] for piece in pieces] == ["字字", "标题"]


def test_a_long_code_block_goes_on_as_code_with_its_indentation() -> None:
    code = "\n".join(f"    line {n}" for n in range(800))
    pieces = render(f"```py\n{code}\n```")
    assert len(pieces) == 3
    assert "\n".join(piece.text for piece in pieces) == code
    for piece in pieces:
        (entity,) = piece.entities
        assert (entity.kind, entity.language, entity.offset) == ("pre", "py", 0)
        assert entity.length == utf16_length(piece.text)


def test_a_long_bold_paragraph_goes_on_in_bold_after_a_sentence() -> None:
    pieces = render("**" + "这是很长的一句话。" * 900 + "**")
    assert len(pieces) == 2
    assert all(formats(piece) == [("bold", piece.text)] for piece in pieces)
    assert all(piece.text.endswith("。") for piece in pieces)


@pytest.mark.parametrize("whole", [FAMILY, "👍🏽", "🇨🇳", "e\u0301", "😀"])
@pytest.mark.parametrize("shift", range(3))
def test_no_cut_runs_through_a_character(whole: str, shift: int) -> None:
    pieces = render("x" * shift + whole * 3000)
    for piece in pieces:
        check(piece)
        assert piece.text.lstrip("x").count(whole) * len(whole) == len(piece.text.lstrip("x"))


@pytest.mark.parametrize("at", range(4060, 4100, 3))
def test_no_cut_runs_through_a_link(at: int) -> None:
    pieces = render(
        "字" * at + "[这里](https://e.com/path)和https://e.com/open/address" + "尾" * 50
    )
    links = [pair for piece in pieces for pair in formats(piece)]
    assert links == [("text_link", "这里")]
    assert sum("https://e.com/open/address" in piece.text for piece in pieces) == 1


def test_a_hundred_and_first_entity_goes_into_the_next_piece() -> None:
    pieces = render(" ".join(f"**w{n}**" for n in range(250)))
    assert [len(piece.entities) for piece in pieces] == [100, 100, 50]


def test_the_plain_text_of_a_piece_full_of_links_fits_a_message_too() -> None:
    url = "https://example.com/" + "x" * 300
    pieces = render("\n".join(f"- [第{n}页]({url}{n})" for n in range(60)))
    assert all(utf16_length(plain_text(piece)) <= MAX_UNITS for piece in pieces)
    assert sum(plain_text(piece).count(url) for piece in pieces) == 60


def test_an_address_too_long_for_a_message_is_still_shown() -> None:
    url = "https://example.com/" + "x" * 9000
    assert "".join(piece.text for piece in render(f"[label]({url})")) == f"label ({url})"


@pytest.mark.parametrize("text", ["[a](https://e.com)" * 3000, "**a** " * 5000, "a\n\n" * 10_000])
def test_very_many_formats_take_well_under_a_second(text: str) -> None:
    assert render(text)
    assert takes_less_than(0.9, lambda: render(text))
