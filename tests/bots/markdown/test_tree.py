"""The parse: what models write becomes the tree that they meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from peers.cost import takes_less_than

from bots.markdown.nodes import (
    Code,
    CodeBlock,
    Heading,
    Inline,
    Item,
    Link,
    Listing,
    Mark,
    Paragraph,
    Quote,
    Rule,
    Table,
    Text,
    flat,
)
from bots.markdown.tree import parse

CJK_BOLD = [
    ("这是**重要：**内容", "重要："),
    ("**“引号”**后面", "“引号”"),
    ("价格**¥100**元", "¥100"),
    ("他说**你好。**然后", "你好。"),
    ("请看**「说明」**一节", "「说明」"),
    ("型号**A1（新）**已到货", "A1（新）"),
    ("这是**重要:**内容", "重要:"),
    ('他说**"好"**就走了', '"好"'),
    ("**注意！**👉这里", "注意！"),
    ("这是**중요:**내용", "중요:"),
]


def inlines(markdown: str) -> tuple[Inline, ...]:
    (paragraph,) = parse(markdown)
    assert isinstance(paragraph, Paragraph)
    return paragraph.children


@pytest.mark.parametrize(("markdown", "bold"), CJK_BOLD)
def test_bold_beside_chinese_punctuation_is_bold(markdown: str, bold: str) -> None:
    assert [flat(i.children) for i in inlines(markdown) if isinstance(i, Mark)] == [bold]
    assert flat(inlines(markdown)) == markdown.replace("**", "")


def test_a_failed_close_does_not_pair_with_a_later_mark() -> None:
    found = inlines("这是**重要：**内容，还有**其次。**别的")
    assert [flat(i.children) for i in found if isinstance(i, Mark)] == ["重要：", "其次。"]


def test_code_and_strikethrough_beside_chinese_are_marked() -> None:
    assert inlines("**`a`**和~~旧价。~~新") == (
        Mark("bold", (Code("a"),)),
        Text("和"),
        Mark("strike", (Text("旧价。"),)),
        Text("新"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "3*4*5",
        "2**3**4",
        "a*b*c",
        "(a+b)*c*(d)",
        "snake_case_name",
        "5 * 3 * 2",
        "100~200元，300~400元",
    ],
)
def test_stars_and_underscores_and_tildes_that_mean_themselves_stay(text: str) -> None:
    assert inlines(text) == (Text(text),)


@pytest.mark.parametrize(
    "text",
    ["<b>x</b>", "<!channel>", "<script>alert(1)</script>", "<!-- c -->", "std::vector<std:int>"],
)
def test_html_tags_stay_text(text: str) -> None:
    assert inlines(text) == (Text(text),)


def test_the_library_is_as_it_was_for_everybody_else() -> None:
    parse("这是**重要：**内容")
    assert "<strong>" not in MarkdownIt().render("这是**重要：**内容")


@pytest.mark.parametrize(
    ("markdown", "url", "label"),
    [
        ("[a [b] c](https://e.com/x_(y)?q=1&r=2)", "https://e.com/x_(y)?q=1&r=2", "a [b] c"),
        ("[写信](mailto:a@b.c)", "mailto:a@b.c", "写信"),
        ("<https://e.com>", "https://e.com", "https://e.com"),
        ("![图](https://e.com/i.png)", "https://e.com/i.png", "图"),
        ("[](https://e.com)", "https://e.com", "https://e.com"),
        ("[x](https://e.com/中)", "https://e.com/%E4%B8%AD", "x"),
    ],
)
def test_links_and_images_lead_where_they_say(markdown: str, url: str, label: str) -> None:
    assert inlines(markdown) == (Link(url, (Text(label),)),)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("[a](javascript:alert(1))", "a (javascript:alert(1))"),
        ("[a](tg://resolve?domain=x)", "a (tg://resolve?domain=x)"),
        ("[官网](www.e.com)", "官网 (www.e.com)"),
        ("[a](/help)", "a (/help)"),
        ("![](file:///etc)", "file:///etc"),
        ("数组[0](见下文)", "数组[0](见下文)"),
        ("https://e.com", "https://e.com"),
        ("[r]: https://e.com", "[r]: https://e.com"),
    ],
)
def test_addresses_that_may_not_be_links_stay_readable(markdown: str, text: str) -> None:
    assert inlines(markdown) == (Text(text),)


def test_lists_nest_and_keep_their_numbers_tasks_and_code() -> None:
    source = "3. a\n   - [x] b\n     ```py\n     c\n       d\n     ```\n   - [ ] e\n4. f"
    inner = Listing(
        (
            Item((Paragraph((Text("b"),)), CodeBlock("c\n  d", "py")), checked=True),
            Item((Paragraph((Text("e"),)),), checked=False),
        )
    )
    outer = Listing((Item((Paragraph((Text("a"),)), inner)), Item((Paragraph((Text("f"),)),))), 3)
    assert parse(source) == (outer,)


def test_a_table_keeps_escaped_pipes_and_cells_beyond_its_columns() -> None:
    table = parse("|a|b\\|c|\n|:-:|--:|\n|1|`x\\|y`|3|\n|2|")[0]
    assert table == Table(
        ((Text("a"),), (Text("b|c"),)),
        (((Text("1"),), (Code("x|y"), Text(" | 3"))), ((Text("2"),), ())),
        ("center", "right"),
    )


def test_a_rule_below_a_line_makes_no_heading_of_it() -> None:
    blocks = parse("text\n---\n# title")
    assert blocks == (Paragraph((Text("text"),)), Rule(), Heading(1, (Text("title"),)))


def test_quotes_nest() -> None:
    quoted = Quote((Paragraph((Text("b"),)),))
    assert parse("> a\n> > b") == (Quote((Paragraph((Text("a"),)), quoted)),)


@pytest.mark.parametrize("deep", [">" * 40, "> " * 40, "- " * 40, "1. " * 40])
def test_what_is_nested_too_deeply_stays_as_text(deep: str) -> None:
    assert "word" in str(parse(deep + "word"))
    assert "below" in str(parse(f"{deep}word\n\nbelow"))


def test_marks_within_marks_are_bounded_and_keep_their_text() -> None:
    found = inlines("*a **b " * 50 + "x" + "** *" * 50)
    assert flat(found).count("a ") == 50


HOSTILE = [
    *(sign * 10_000 for sign in ("[", "*", ">", "`", "<", "|", "\\", "&", "_", "~", "#", "!")),
    *(part * 4000 for part in ("> ", "- ", "1. ", "*a ", "**a", "[a](", "![", "](", "[x]", "<a@b")),
    "(*" * 5000 + "*)" * 5000,
    "[" * 5000 + "](http://x)" * 5000,
    "".join("`" * n + "a" for n in range(140)),
    "|a|\n|-|\n" + "|\n" * 5000,
    "\n".join(" " * n + "- x" for n in range(500)),
    "\n".join(">" * n for n in range(300)),
    "*a _b ~~c " * 2000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_hostile_text_is_parsed_in_well_under_a_second(text: str) -> None:
    assert takes_less_than(0.9, lambda: parse(text))


@given(st.text())
def test_any_text_is_parsed(text: str) -> None:
    parse(text)
