"""Answers cut to the size of Slack's markdown blocks."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from peers.cost import takes_less_than
from peers.markdown_samples import long_answer, nasty

from bots.markdown.letters import utf16_length
from bots.markdown.slack import MAX_CHARACTERS, neutralise, render


def fences(markdown: str) -> list[tuple[str, str]]:
    return [(t.info, t.content) for t in MarkdownIt().parse(markdown) if t.type == "fence"]


@pytest.mark.parametrize("markdown", ["", " \n\n", "\u202e", "\u200b"])
def test_nothing_to_see_is_no_text(markdown: str) -> None:
    assert render(markdown) == ()


def test_a_short_answer_is_one_text_with_its_markdown() -> None:
    answer = "# 标题\n\n- a\n  - [x] b\n\n|a|b\\|c|\n|-|-|\n|1|2|\n\n> q [x](https://e.com/a_(b)?c=1&d=2)"
    assert render(f"\n\n{answer}\n") == (answer,)


def test_code_at_the_beginning_keeps_its_indentation() -> None:
    assert render("    code\n    more\n\ntext") == ("    code\n    more\n\ntext",)


def test_a_long_answer_breaks_between_blocks() -> None:
    parts = render(long_answer(30_000))
    assert len(parts) == 3
    for part in parts:
        assert utf16_length(part) <= MAX_CHARACTERS
        assert part.startswith(("## ", "1. ", "```python", "| 名称", "> ", "这是"))
    assert "\n\n".join(parts) == neutralise(long_answer(30_000)).strip()


def test_long_code_is_closed_and_begun_again_with_its_language() -> None:
    code = "\n".join(f"    print('<{n}>')" for n in range(1500))
    parts = render(f"看：\n\n```python\n{code}\n```\n\n完")
    assert len(parts) > 2
    found = [fence for part in parts for fence in fences(part)]
    assert len(found) == len(parts)
    assert {info for info, _ in found} == {"python"}
    assert "".join(content for _, content in found) == code + "\n"
    assert parts[-1].endswith("完")


@pytest.mark.parametrize("lines", range(540, 560))
def test_no_part_has_an_empty_fence(lines: int) -> None:
    parts = render("x" * 200 + "\n```\n" + ("line of some code!\n" * lines) + "```\n" + "y" * 900)
    found = [content for part in parts for _, content in fences(part)]
    assert "".join(found) == "line of some code!\n" * lines
    assert all(found)


def test_code_in_a_list_is_closed_and_begun_again() -> None:
    code = "\n".join(f"  line {n}" for n in range(2000))
    parts = render(f"- a\n\n  ~~~ sh\n{code}\n  ~~~\n- b")
    assert len(parts) == 3
    assert all(part.count("~~~") == 2 for part in parts)


def test_a_long_table_repeats_its_head() -> None:
    rows = "\n".join(f"| 第{n}行 | {n} |" for n in range(1500))
    parts = render(f"| 名称 | 数 |\n|---|---|\n{rows}")
    assert len(parts) > 1
    for part in parts:
        assert part.startswith("| 名称 | 数 |\n|---|---|\n| 第")
        assert utf16_length(part) <= MAX_CHARACTERS
    assert sum(part.count("行") for part in parts) == 1500


def test_a_long_list_breaks_between_its_items() -> None:
    items = "\n".join(f"{n}. 第{n}项\n   - 说明" for n in range(1, 1200))
    parts = render(items)
    assert len(parts) > 1
    assert all(re.match(r"\d+\. ", part) for part in parts)


def test_no_cut_runs_through_a_link() -> None:
    link = "[这里](https://e.com/a_(b)/path?x=1)"
    for extra in range(0, 40, 3):
        parts = render("字" * (10_450 + extra) + link * 3 + "尾" * 500)
        assert sum(part.count(link) for part in parts) == 3


@given(nasty, st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_any_answer_keeps_the_limit_and_its_letters(markdown: str, times: int) -> None:
    parts = render(markdown * times)
    assert all(part.strip() and utf16_length(part) <= MAX_CHARACTERS for part in parts)
    shown = iter("".join(parts))
    for letter in re.sub(r"\s", "", neutralise(markdown * times)).replace("\u200b", ""):
        assert letter in shown


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "<@" * 9000, "`a" * 9000, "**，" * 6000, "![a" * 6000, "." * 20_000]
)
def test_hostile_answers_take_well_under_a_second(text: str) -> None:
    assert takes_less_than(0.9, lambda: render(text))
