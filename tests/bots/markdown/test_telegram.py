"""Markdown as Telegram shows it."""

import pytest
from peers.markdown_samples import CJK_BOLD, FAMILY, formats

from bots.markdown.telegram import Entity, Piece, plain_text, render


def one(markdown: str) -> Piece:
    (piece,) = render(markdown)
    return piece


@pytest.mark.parametrize("markdown", CJK_BOLD)
def test_bold_beside_chinese_punctuation_is_bold(markdown: str) -> None:
    piece = one(markdown)
    assert piece.text == markdown.replace("**", "")
    assert formats(piece) == [("bold", markdown.split("**")[1])]


def test_marks_within_marks_are_entities_within_entities() -> None:
    piece = one("**粗 *斜* [链**接**](https://e.com)** ~~删~~")
    assert piece.text == "粗 斜 链接 删"
    assert formats(piece) == [
        ("bold", "粗 斜 链接"),
        ("italic", "斜"),
        ("text_link", "链接"),
        ("strikethrough", "删"),
    ]


def test_code_holds_nothing_and_is_held_by_a_quote_alone() -> None:
    piece = one("> **a `b` c** [`d`](https://e.com)\n> ```py\n> x\n> ```")
    assert formats(piece) == [
        ("blockquote", "a b c d\n\nx"),
        ("bold", "a "),
        ("code", "b"),
        ("bold", " c"),
        ("text_link", "d"),
        ("pre", "x"),
    ]
    assert piece.entities[-1].language == "py"


def test_offsets_count_utf16_units() -> None:
    assert one(f"{FAMILY}😀**粗😀**x") == Piece(f"{FAMILY}😀粗😀x", (Entity("bold", 13, 3),))


def test_headings_are_bold_and_close_to_what_they_head() -> None:
    piece = one("# 标题 **一** `c`\ntext\n\nmore\n## 二\n- a")
    assert piece.text == "标题 一 c\ntext\n\nmore\n\n二\n• a"
    assert formats(piece) == [("bold", "标题 一 "), ("code", "c"), ("bold", "二")]


def test_lists_keep_numbers_tasks_and_levels() -> None:
    source = "步骤：\n1. a\n   more\n   - b\n     - [x] c\n   - [ ] d\n\n     e\n2. f"
    assert one(source).text == (
        "步骤：\n1. a\n    more\n    • b\n        ☑ c\n    ☐ d\n        e\n2. f"
    )


def test_code_in_a_list_keeps_its_indentation_and_stands_at_the_margin() -> None:
    piece = one("- a\n  ```py\n  if x:\n      y\n  ```\n- b")
    assert piece.text == "• a\nif x:\n    y\n• b"
    assert piece.entities == (Entity("pre", 4, 11, language="py"),)


def test_a_table_is_aligned_by_what_the_eye_sees() -> None:
    piece = one("|名称|价格|\n|---|---:|\n|苹果🍎|5|\n|a\\|b|12.50|")
    assert piece.text == "名称   |  价格\n-------+------\n苹果🍎 |     5\na|b    | 12.50"
    assert formats(piece) == [("pre", piece.text)]


def test_a_wide_table_is_written_as_pairs() -> None:
    wide = "很长的说明文字" * 4
    piece = one(f"|名称|说明|\n|---|---|\n|**甲**|{wide}|\n|乙||")
    assert piece.text == f"名称：甲\n说明：{wide}\n\n名称：乙"
    assert formats(piece) == [("bold", "甲")]


def test_the_links_in_a_table_can_be_followed() -> None:
    piece = one("|site|to|\n|---|---|\n|a|[b](https://e.com)|")
    assert piece.text == "site: a\nto: b"
    assert piece.entities == (Entity("text_link", 12, 1, url="https://e.com"),)


def test_a_rule_is_a_line() -> None:
    assert one("a\n\n---\n\nb").text == "a\n\n———\n\nb"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("[写信](mailto:a@b.c)", "写信 (a@b.c)"),
        ("<a@b.c> [+86 10](tel:+8610)", "a@b.c +86 10 (+8610)"),
        ("[x](http://intranet/y)", "x (http://intranet/y)"),
        ("[x](javascript:alert(1))", "x (javascript:alert(1))"),
        ("[x](tg://user?id=1)", "x (tg://user?id=1)"),
        ("<b>x</b> <!channel> & &lt;", "<b>x</b> <!channel> & <"),
    ],
)
def test_what_telegram_takes_for_no_link_stays_readable(markdown: str, text: str) -> None:
    assert one(markdown) == Piece(text)


@pytest.mark.parametrize("markdown", ["", " \n\n\t", "\u200b", "```\n```", "[](<>)"[:0], "\u202e"])
def test_nothing_to_see_is_no_piece(markdown: str) -> None:
    assert render(markdown) == ()


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**open", "**open"),
        ("`open", "`open"),
        ("[open](https://e", "[open](https://e"),
        ("a*b", "a*b"),
        ("3*4*5 snake_case", "3*4*5 snake_case"),
    ],
)
def test_marks_that_mark_nothing_stay(markdown: str, text: str) -> None:
    assert one(markdown) == Piece(text)


def test_an_unclosed_fence_is_code_to_the_end() -> None:
    assert formats(one("a\n```py\nx\n\ny")) == [("pre", "x\n\ny")]


def test_right_to_left_text_keeps_its_letters_and_loses_overrides() -> None:
    assert one("**שלום** \u202eevil\u202c مرحبا").text == "שלום evil مرحبا"


def test_the_plain_text_keeps_the_addresses_that_are_not_shown() -> None:
    piece = one("😀 [官网](https://e.com/a?b=1&c=2)和**[x](https://x.y)**，<https://z.w>")
    assert piece.text == "😀 官网和x，https://z.w"
    assert plain_text(piece) == ("😀 官网 (https://e.com/a?b=1&c=2)和x (https://x.y)，https://z.w")
