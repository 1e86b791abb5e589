"""Answers as plain text, for the customers' WeChat."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.cost import takes_less_than
from peers.markdown_samples import CJK_BOLD, long_answer, nasty

from bots.markdown.plain import MAX_BYTES, render


def one(markdown: str) -> str:
    (text,) = render(markdown)
    return text


@pytest.mark.parametrize("markdown", CJK_BOLD)
def test_bold_beside_chinese_punctuation_loses_its_marks(markdown: str) -> None:
    assert one(markdown) == markdown.replace("**", "")


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**b** *i* ~~s~~ `c`", "b i s c"),
        ("# 标题 **x**\ntext", "【标题 x】\ntext"),
        ("[官网](https://e.com/a_(b)?x=1&y=2)见", "官网（https://e.com/a_(b)?x=1&y=2）见"),
        ("<https://e.com> [e.com](https://e.com)", "https://e.com e.com（https://e.com）"),
        ("[写信](mailto:a@b.c) [a@b.c](mailto:a@b.c)", "写信（a@b.c） a@b.c"),
        ("[x](javascript:alert(1))", "x (javascript:alert(1))"),
        ("![图](https://e.com/i.png)", "图（https://e.com/i.png）"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
        ("> a\n>\n> **b**", "a\n\nb"),
        ("```py\nif x:\n    y\n```", "if x:\n    y"),
        ("|名|价|\n|-|-|\n|甲|a\\|b|\n|乙||", "名：甲\n价：a|b\n\n名：乙"),
        ("|site|to|\n|-|-|\n|a|[b](https://e.com)|", "site: a\nto: b（https://e.com）"),
        ("3*4*5 snake_case **open", "3*4*5 snake_case **open"),
        ("<b>x</b> & &lt;", "<b>x</b> & <"),
    ],
)
def test_markdown_becomes_text(markdown: str, text: str) -> None:
    assert one(markdown) == text


def test_lists_keep_numbers_tasks_and_levels() -> None:
    source = "步骤：\n1. a\n   more\n   - b\n     - [x] c\n   - [ ] d\n\n     e\n2. f"
    assert one(source) == "步骤：\n1. a\n    more\n    • b\n        ☑ c\n    ☐ d\n        e\n2. f"


def test_no_link_hides_where_it_leads() -> None:
    assert one('<a href="https://evil.com">官网</a>') == (
        '<\u200ba href="https://evil.com">官网<\u200b/a>'
    )


@pytest.mark.parametrize("markdown", ["", " \n\n\t", "\u200b", "```\n```", "\u202e"])
def test_nothing_to_see_is_no_text(markdown: str) -> None:
    assert render(markdown) == ()


def test_a_long_answer_breaks_between_blocks_and_at_2048_bytes() -> None:
    parts = render(long_answer(9000))
    assert len(parts) > 5
    assert all(1200 < len(part.encode()) <= MAX_BYTES for part in parts[:-1])
    assert all(part.startswith(("【", "1. ", "def ", "名称", "七天", "这是")) for part in parts)


def test_a_long_paragraph_breaks_at_the_ends_of_sentences() -> None:
    sentence = "您好，这是一句不长也不短的话，说的是退货的办法。"
    parts = render(sentence * 100)
    assert all(part.endswith("。") and len(part.encode()) <= MAX_BYTES for part in parts)
    assert "".join(parts) == sentence * 100


@pytest.mark.parametrize("text", ["字" * 3000, "👨‍👩‍👧‍👦" * 300, "x" * 5000])
def test_a_text_without_ends_breaks_between_whole_characters(text: str) -> None:
    parts = render(text)
    assert all(len(part.encode()) <= MAX_BYTES for part in parts)
    assert "".join(parts) == text
    assert all(not part.startswith("\u200d") for part in parts)


def test_no_cut_runs_through_an_address() -> None:
    for extra in range(0, 60, 7):
        parts = render("字" * (640 + extra) + " https://e.com/a/path?x=1&y=2 " + "尾" * 100)
        assert sum(part.count("https://e.com/a/path?x=1&y=2") for part in parts) == 1


def test_a_smaller_limit_is_kept_too() -> None:
    assert render("甲。乙。丙。", 12) == ("甲。乙。", "丙。")


@given(nasty, st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_any_answer_keeps_the_limit_and_hides_no_link(markdown: str, times: int) -> None:
    parts = render(markdown * times)
    assert all(part.strip() and len(part.encode()) <= MAX_BYTES for part in parts)
    assert not any(re.search(r"<a\b", part, re.I) for part in parts)


@pytest.mark.parametrize("text", ["[" * 20_000, "`a" * 9000, "**，" * 6000, "." * 20_000])
def test_hostile_answers_take_well_under_a_second(text: str) -> None:
    assert takes_less_than(0.9, lambda: render(text))
