"""Markdown as a WeCom app shows it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.cost import takes_less_than
from peers.markdown_samples import CJK_BOLD, long_answer, nasty

from bots.markdown.letters import clean
from bots.markdown.wecom import MAX_BYTES, render

Z = "\u200b"


def one(markdown: str) -> str:
    (text,) = render(markdown)
    return text


@pytest.mark.parametrize("markdown", CJK_BOLD)
def test_bold_beside_chinese_punctuation_stays_bold(markdown: str) -> None:
    text = one(markdown)
    assert text.replace(Z, "") == markdown
    before, inside, after = text.split("**")
    assert (before + after).replace(Z, "") + "" == markdown.replace(f"**{inside.strip(Z)}**", "")
    assert not re.match(r"[：“”「」。¥）]", inside)
    assert not re.search(r"[：“”「」。¥）]$", inside)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**b** *i* ~~s~~ `c`", "**b** i s `c`"),
        ("# 标题 **一** `c`\ntext\n\n### 三", "# 标题 一 c\ntext\n\n### 三"),
        ("[a\\]b](https://e.com/a_(b)?x=1)", "[a］b](https://e.com/a_%28b%29?x=1)"),
        ("[写信](mailto:a@b.c)", "写信 (a@b.c)"),
        ("[x](javascript:alert(1))", "x (javascript:alert(1))"),
        ("![图](https://e.com/i.png)", "[图](https://e.com/i.png)"),
        ("- a\n  - b\n- [x] c", "• a\n    • b\n☑ c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("> a\n> > b", "> a\n>\n> b"),
        ("```py\nif x:\n    y\n```", "> if x:\n>     y"),
        ("|名|价|\n|-|-|\n|**甲**|5|\n|乙||", "名：**甲**\n价：5\n\n名：乙"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
        ("**a\nb**", "**a**\n**b**"),
        ("**a [x](https://e.com)**", "a [x](https://e.com)"),
        ("`a``b`", "`a``b`".replace("``", "ˋˋ")),
    ],
)
def test_markdown_becomes_the_subset(markdown: str, text: str) -> None:
    assert one(markdown) == text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ('<font color="info">x</font>', f'<{Z}font color="info">x<{Z}/font>'),
        ("<@lihua> <!all>", f"<{Z}@lihua> <{Z}!all>"),
        ("`<@lihua>`", f"`<{Z}@lihua>`"),
        ("\\*\\*x\\*\\*", f"*{Z}*x*{Z}*"),
        ("\\[x](https://e.com)", f"[x]{Z}(https://e.com)"),
        ("\\# x\n\\> y", f"{Z}# x\n{Z}> y"),
        ("a `open", "a ˋopen"),
        ("3*4*5 a < b 甲<乙", "3*4*5 a < b 甲<乙"),
    ],
)
def test_what_only_looks_like_a_mark_marks_nothing(markdown: str, text: str) -> None:
    assert one(markdown) == text


@pytest.mark.parametrize("markdown", ["", " \n\n\t", "\u200b", "```\n```", "\u202e"])
def test_nothing_to_see_is_no_text(markdown: str) -> None:
    assert render(markdown) == ()


def test_a_long_answer_breaks_between_blocks() -> None:
    parts = render(long_answer(9000))
    assert all(1200 < len(part.encode()) <= MAX_BYTES for part in parts[:-1])
    assert all(part.startswith(("## ", "1. ", "> def", "名称", "> 七天", "这是")) for part in parts)


def test_a_quote_that_is_cut_goes_on_as_a_quote() -> None:
    parts = render("> " + "这是引用的一句话。" * 300)
    assert len(parts) > 3
    assert all(part.startswith("> 这是") and part.endswith("。") for part in parts)
    assert all(len(part.encode()) <= MAX_BYTES for part in parts)


def test_no_cut_runs_through_a_mark() -> None:
    marked = "[这里](https://e.com/path?x=1)**粗体字**`code`"
    for extra in range(0, 60, 7):
        parts = render("字" * (630 + extra) + marked + "尾" * 100)
        for mark in ("[这里](https://e.com/path?x=1)", "**粗体字**", "`code`"):
            assert sum(part.count(mark) for part in parts) == 1


def test_what_is_too_long_to_be_marked_is_written_without_its_marks() -> None:
    long = "很长" * 400
    parts = render(f"# {long}\n\n**{long}**\n\n[x](https://e.com/{'y' * 700})")
    text = "".join(parts)
    assert text.startswith("很长")
    assert "**" not in text
    assert "x (https://e.com/yyy" in text


@given(nasty, st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_any_answer_keeps_the_limit_and_mentions_nobody(markdown: str, times: int) -> None:
    parts = render(markdown * times)
    for part in parts:
        assert part.strip()
        assert len(part.encode()) <= MAX_BYTES
        assert not re.search(r"<[@!]|</?font", part)
        assert part.count("`") % 2 == 0
    shown = iter("".join(parts))
    letters = re.findall(r"[一-鿿]", clean(markdown * times))
    assert all(letter in shown for letter in letters)


@pytest.mark.parametrize("text", ["[" * 20_000, "`a" * 9000, "**，" * 6000, "." * 20_000])
def test_hostile_answers_take_well_under_a_second(text: str) -> None:
    assert takes_less_than(0.9, lambda: render(text))
