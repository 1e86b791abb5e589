"""Snapshots of a growing answer: nothing that was shown turns into something else."""

import pytest
from hypothesis import given, settings
from peers.cost import takes_less_than
from peers.markdown_samples import CJK_BOLD, formats, long_answer, nasty

from bots.markdown.letters import utf16_length
from bots.markdown.telegram import render, render_draft

TABLE = "|a|b|\n|-|-|\n"


@pytest.mark.parametrize(
    ("markdown", "text", "shown"),
    [
        ("说**重要：内", "说重要：内", [("bold", "重要：内")]),
        ("说**重要：**", "说重要：", [("bold", "重要：")]),
        ("说**重要：*", "说重要：", [("bold", "重要：")]),
        ("说**", "说", []),
        ("**粗 *斜", "粗 斜", [("bold", "粗 斜"), ("italic", "斜")]),
        ("~~旧", "旧", [("strikethrough", "旧")]),
        ("运行 `pip ins", "运行 pip ins", [("code", "pip ins")]),
        ("**a `b*", "a b*", [("bold", "a "), ("code", "b*")]),
        ("运行 `", "运行", []),
        ("`a` 和 **b", "a 和 b", [("code", "a"), ("bold", "b")]),
        ("见[退货", "见退货", []),
        ("见[退货]", "见退货", []),
        ("见[退货](", "见退货", []),
        ("见[退货](https://e.com/a_(b", "见退货", []),
        ("见[退货](https://e.com/a_(b)", "见退货", []),
        ("见[文档 [1]](https://e", "见文档 [1]", []),
        ("看![图](https://e", "看图", []),
        ("[a](https://e.com) [b](ht", "a b", [("text_link", "a")]),
        ("a\n```", "a", []),
        ("a\n```py", "a", []),
        ("a\n```py\nx = `1", "a\n\nx = `1", [("pre", "x = `1")]),
        ("a\n```py\nx\n``", "a\n\nx", [("pre", "x")]),
        ("a\n```py\nx\n```", "a\n\nx", [("pre", "x")]),
        ("a\n```py\n**x", "a\n\n**x", [("pre", "**x")]),
        ("a\n\n|名称|价", "a", []),
        ("a\n\n|名称|价格|\n|--", "a", []),
        ("a\n\n|名称|价格|\n|--|", "a", []),
        (TABLE + "|1|2|\n|3|", "a | b\n--+--\n1 | 2\n3 |", [("pre", "a | b\n--+--\n1 | 2\n3 |")]),
        (TABLE + "|1|2|\n|3", "a | b\n--+--\n1 | 2", [("pre", "a | b\n--+--\n1 | 2")]),
        ("text\n-", "text", []),
        ("text\n--", "text", []),
        ("- a\n- ", "• a", []),
        ("- a\n- [", "• a", []),
        ("- a\n  1.", "• a", []),
        ("1. a\n2", "1. a", []),
        ("3*4*5 一共", "3*4*5 一共", []),
        ("a**b\n\n", "a**b", []),
        ("", "", []),
        ("**", "", []),
    ],
)
def test_what_is_half_written_is_closed_or_held_back(
    markdown: str, text: str, shown: list[tuple[str, str]]
) -> None:
    piece = render_draft(markdown)
    assert piece.text == text
    assert formats(piece) == shown


@pytest.mark.parametrize("markdown", [*CJK_BOLD, long_answer(400).rstrip()])
def test_the_snapshots_of_an_answer_only_grow(markdown: str) -> None:
    texts = [render_draft(markdown[:end]).text for end in range(len(markdown) + 1)]
    for text in texts:
        assert "**" not in text
        assert "](" not in text
        assert "```" not in text
    whole = texts[-1].split("|")[0]
    for text in texts:
        assert whole.startswith(text.split("|")[0].rstrip("🏽.\n -+")[:-3])


@pytest.mark.parametrize("markdown", CJK_BOLD)
def test_a_finished_answer_is_drawn_as_it_is_sent(markdown: str) -> None:
    assert render_draft(markdown) == render(markdown)[0]


def test_a_long_draft_is_cut_to_one_message() -> None:
    piece = render_draft("**" + "很长😀" * 3000)
    assert utf16_length(piece.text) <= 4096
    assert piece.text.endswith("😀…") or piece.text.endswith("长…")
    (entity,) = piece.entities
    assert entity.length == utf16_length(piece.text) - 1


@given(nasty)
@settings(max_examples=300, deadline=None)
def test_any_draft_is_drawn_within_the_limits(markdown: str) -> None:
    piece = render_draft(markdown * 20)
    assert utf16_length(piece.text) <= 4096
    assert len(piece.entities) <= 100
    formats(piece)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "[a](" * 4000,
        "`a" * 5000,
        "**a" * 4000,
        "[a(" * 3000,
        "\n" * 10_000 + "x",
        " " * 20_000 + "x",
    ],
)
def test_hostile_drafts_take_well_under_a_second(text: str) -> None:
    assert takes_less_than(0.9, lambda: render_draft(text))
