"""Slack's own markup, for notifications and other places that take nothing else."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.cost import takes_less_than
from peers.markdown_samples import nasty

from bots.markdown.mrkdwn import MAX_CHARACTERS, to_mrkdwn

Z = "\u200b"


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**b** *i* ~~s~~ `c`", "*b* _i_ ~s~ `c`"),
        ("这是**重要：**内容", f"这是{Z}*重要：*{Z}内容"),
        ("# 标题 **x** 3*4", "*标题 x 3*4*"),
        ("[a|b](https://e.com/?x=1&y=2)", "<https://e.com/?x=1&amp;y=2|a¦b>"),
        ("[a](javascript:x)", "a (javascript:x)"),
        ("![图](https://e.com/i.png)", "<https://e.com/i.png|图>"),
        ("<!channel> <@U1> & <b>", "&lt;!channel&gt; &lt;@U1&gt; &amp; &lt;b&gt;"),
        ("@here x@here.com", f"@{Z}here x@here.com"),
        ("`<@U1>`", "`&lt;@U1&gt;`"),
        ("```py\na < b\n```", "```\na &lt; b\n```"),
        ("- a\n  - b\n- [x] c\n\n1. d", "• a\n    • b\n☑ c\n\n1. d"),
        ("> a\n> **b**", "> a\n> *b*"),
        ("|名|价|\n|-|-|\n|甲|5|\n|乙||", "• 名：甲, 价：5\n• 名：乙"),
        ("**a\nb**", "*a*\n*b*"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
        ("", ""),
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, mrkdwn: str) -> None:
    assert to_mrkdwn(markdown) == mrkdwn


@given(nasty, st.integers(1, 100))
@settings(max_examples=200, deadline=None)
def test_any_text_is_short_and_cannot_mention(markdown: str, times: int) -> None:
    text = to_mrkdwn(markdown * times)
    assert len(text) <= MAX_CHARACTERS
    assert not re.search(r"<(?!https?://|mailto:|tel:)", text, re.I)
    assert not re.search(r"(?<![A-Za-z0-9])@(?:channel|here|everyone)", text, re.I)
    assert text.count("```") % 2 == 0


def test_a_long_text_ends_between_lines_and_says_so() -> None:
    text = to_mrkdwn("\n".join(f"[第{n}页](https://e.com/{n}) & 更多" for n in range(200)))
    assert len(text) <= MAX_CHARACTERS
    assert text.endswith("更多\n…")


def test_a_long_line_is_not_cut_within_a_link_or_an_escape() -> None:
    assert re.fullmatch(r"(?:&amp;)+…", to_mrkdwn("&" * 3000))
    assert re.fullmatch(r"(?:<https://e\.com/x\|y>)+…", to_mrkdwn("[y](https://e.com/x)" * 500))


def test_long_code_is_closed() -> None:
    text = to_mrkdwn("```\n" + "line\n" * 2000 + "```")
    assert text.startswith("```\nline")
    assert text.endswith("line\n…\n```")


def test_very_many_invisible_characters_take_no_time() -> None:
    assert takes_less_than(0.5, lambda: to_mrkdwn("\u200b" * 20_000 + "x"))
