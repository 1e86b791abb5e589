"""Markdown as WeCom's AI bot shows it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from peers.markdown_samples import CJK_BOLD, long_answer, nasty

from bots.markdown.wecom_bot import MAX_BYTES, render, snapshot

Z = "\u200b"


def one(markdown: str) -> str:
    (text,) = render(markdown)
    return text


@pytest.mark.parametrize("markdown", CJK_BOLD)
def test_bold_beside_chinese_punctuation_is_bold_for_any_parser(markdown: str) -> None:
    assert "<strong>" in MarkdownIt().render(one(markdown))
    assert one(markdown).replace(Z, "") == markdown


def test_an_answer_keeps_its_markdown() -> None:
    answer = "# 标题\n\n- a\n  - [x] b\n\n|a|b\\|c|\n|-|-|\n|1|2|\n\n> q [x](https://e.com/a_(b)?c=1&d=2)"
    assert one(f"\n\n{answer}\n") == answer


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("<@lihua> <b>x</b> a < b", f"<{Z}@lihua> <{Z}b>x<{Z}/b> a < b"),
        ("`<@lihua>`", f"`<{Z}@lihua>`"),
        ("[x](javascript:x)", f"[x]{Z}(javascript:x)"),
        ("![图](https://e.com/i.png)", "[图](https://e.com/i.png)"),
        ("3*4*5", "3\\*4\\*5"),
    ],
)
def test_nothing_mentions_anybody_or_hides_a_link(markdown: str, text: str) -> None:
    assert one(markdown) == text


@pytest.mark.parametrize("markdown", ["", " \n\n", "\u202e", "\u200b"])
def test_nothing_to_see_is_no_text(markdown: str) -> None:
    assert render(markdown) == ()
    assert snapshot(markdown) == ""


def test_a_long_answer_breaks_between_blocks_at_20480_bytes() -> None:
    parts = render(long_answer(30_000))
    assert len(parts) > 2
    assert all(15_000 < len(part.encode()) <= MAX_BYTES for part in parts[:-1])
    assert all(part.count("```") % 2 == 0 for part in parts)


def test_long_code_is_closed_and_begun_again() -> None:
    parts = render("```sh\n" + "echo 一行命令\n" * 3000 + "```")
    assert len(parts) > 2
    assert all(part.startswith("```sh\n") and part.endswith("\n```") for part in parts)
    assert sum(part.count("echo") for part in parts) == 3000


@pytest.mark.parametrize(
    ("growing", "shown"),
    [
        ("**重要", "**重要**"),
        ("见[退货页](https://e.c", "见退货页"),
        ("```py\nx = 1", "```py\nx = 1"),
        ("a\n\n| 名 | 价 |", "a\n"),
    ],
)
def test_a_snapshot_shows_no_half_marks(growing: str, shown: str) -> None:
    assert snapshot(growing) == shown.rstrip()


def test_a_snapshot_of_a_very_long_answer_is_its_beginning() -> None:
    text = snapshot("字" * 9000)
    assert text.endswith("字…")
    assert MAX_BYTES - 4 < len(text.encode()) <= MAX_BYTES


@given(nasty, st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_any_answer_keeps_the_limit(markdown: str, times: int) -> None:
    for text in (*render(markdown * times), snapshot(markdown * times)):
        assert len(text.encode()) <= MAX_BYTES
        assert not re.search(r"<@", text)
