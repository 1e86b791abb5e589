"""Nothing that a model or a customer writes has a meaning for Slack beyond its Markdown."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from peers.markdown_samples import CJK_BOLD, long_answer, nasty

from bots.markdown.dialect import SCHEMES
from bots.markdown.neutral import Appender, neutralise

Z = "\u200b"
SPECIAL = re.compile(r"<(?:!(?!doctype)[a-z]|[@#][a-z0-9]|[a-z][a-z0-9+.-]*://|mailto:|tel:)", re.I)
BROADCAST = re.compile(r"(?<![a-z0-9])@(?:channel|here|everyone|group)", re.I)


class Lenient(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802
        return True


def commonmark(text: str) -> list[Token]:
    """All tokens of a parser that knows only the standard and trusts every link."""
    found = Lenient("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [child for token in found for child in (token, *(token.children or ()))]


@pytest.mark.parametrize(
    ("text", "neutral"),
    [
        ("<!channel> 和 <!here|x>", "&lt;!channel> 和 &lt;!here|x>"),
        ("<@U123> <#C1> <!subteam^S1>", "&lt;@U123> &lt;#C1> &lt;!subteam^S1>"),
        ("<!date^1^{date}|x>", "&lt;!date^1^{date}|x>"),
        ("<http://x.y|label> <mailto:a@b.c|x>", "&lt;http://x.y|label> &lt;mailto:a@b.c|x>"),
        ("<b>x</b>", "&lt;b>x&lt;/b>"),
        ("\\<!channel>", "&lt;!channel>"),
        ("1 < 2 <3 <- a", "1 < 2 <3 <- a"),
        ("<\u202e!channel>", "&lt;!channel>"),
        ("@channel @HERE 请@everyone", f"@{Z}channel @{Z}HERE 请@{Z}everyone"),
        ("x@channel.io @chan @", "x@channel.io @chan @"),
        ("`<!channel>` `@here`", f"`<{Z}!channel>` `@{Z}here`"),
        ("```\n<@U1> <http://x|y>\n```", f"```\n<{Z}@U1> <{Z}http://x|y>\n```"),
        (
            "```html\n<!DOCTYPE html><!-- c --><b>\n```",
            "```html\n<!DOCTYPE html><!-- c --><b>\n```",
        ),
        ("```c\n#include <stdio.h>\nList<String> a[0](x);\n```",) * 2,
        ("```\n**重要：**内容 3*4*5 ![a](b)\n```",) * 2,
        ("`**重要：**内容`", "`**重要：**内容`"),
        ("~~~\n<b>\n~~~\n<b>", "~~~\n<b>\n~~~\n&lt;b>"),
        ("- ```py\n  <b>\n  ```\n  <b>", "- ```py\n  <b>\n  ```\n  &lt;b>"),
        ("````\n```\n<b>\n````\n<b>", "````\n```\n<b>\n````\n&lt;b>"),
        ("```a``` <b>", "```a``` &lt;b>"),
        ("`open\n\n<b>", "`open\n\n&lt;b>"),
        (
            "[a](https://e.com/x_(y)) [b](mailto:a@b.c)",
            "[a](https://e.com/x_(y)) [b](mailto:a@b.c)",
        ),
        ("[a](javascript:x)", f"[a]{Z}(javascript:x)"),
        ("[a]( slack://x)", f"[a]{Z}( slack://x)"),
        ("[a](<https://e.com>)", f"[a]{Z}(&lt;https://e.com>)"),
        ("[r]: tg:x\n[s]: https://e.com", f"[r]{Z}: tg:x\n[s]: https://e.com"),
        ("![图](https://e.com/i.png)", "[图](https://e.com/i.png)"),
        ("![](https://e.com/i.png)", "[🖼](https://e.com/i.png)"),
        ("好![1]", f"好!{Z}[1]"),
        ("3*4*5 2**3**4 a*b*c", "3\\*4\\*5 2\\*\\*3\\*\\*4 a\\*b\\*c"),
        ("100~200元，300~400元", "100\\~200元，300\\~400元"),
        ("这是**重要：**内容", f"这是**重要：{Z}**{Z}内容"),
        ("这是**重要**的 **a** b", "这是**重要**的 **a** b"),
        ("\u202eevil\u2066 a\r\nb\x00", "evil a\nb"),
    ],
)
def test_only_what_slack_would_misread_is_changed(text: str, neutral: str) -> None:
    assert neutralise(text) == neutral


@pytest.mark.parametrize(
    "markdown", [*CJK_BOLD, "这是**重要:**内容", "看**`a`**和", "说~~旧价。~~新"]
)
def test_marks_beside_chinese_punctuation_work_in_plain_commonmark(markdown: str) -> None:
    tokens = commonmark(neutralise(markdown))
    assert sum(token.type in ("strong_open", "s_open") for token in tokens) == 1
    text = "".join(token.content for token in tokens if token.type in ("text", "code_inline"))
    assert text.replace(Z, "") == re.sub(r"\*\*|~~|`", "", markdown)


def test_stars_that_multiply_stay_in_plain_commonmark() -> None:
    tokens = commonmark(neutralise("3*4*5 和 a*b*c，~1~2"))
    assert "".join(t.content for t in tokens if t.type == "text") == "3*4*5 和 a*b*c，~1~2"


@given(nasty)
@settings(max_examples=500)
def test_nothing_special_is_left_in_any_text(markdown: str) -> None:
    text = neutralise(markdown)
    assert not SPECIAL.search(text)
    assert not BROADCAST.search(text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00]", text)


@given(nasty)
@settings(max_examples=500)
@example("    ```\n[a](javascript:x)")
@example("`a [b](javascript:x)")
@example("[a]\\(b)](tg:x)")
def test_no_link_leads_where_it_may_not(markdown: str) -> None:
    for token in commonmark(neutralise(markdown)):
        address = str(token.attrs.get("href") or token.attrs.get("src") or "")
        assert address.lower().startswith(SCHEMES) or not re.match(r"[a-z][a-z0-9+.-]*:", address)


def feed_in(pieces: list[str]) -> str:
    appender = Appender()
    return "".join([*map(appender.feed, pieces), appender.end()])


@given(nasty, st.lists(st.integers(0, 400)))
@settings(max_examples=500)
@example("<!channel>", [1, 6])
@example("```\n<!doctype>", [6, 7, 8])
@example("![alt](https://e.com)", [1, 2, 5, 6])
def test_a_stream_cut_anywhere_gives_the_same_text(markdown: str, cuts: list[int]) -> None:
    places = sorted({0, len(markdown), *(cut % (len(markdown) + 1) for cut in cuts)})
    pieces = [markdown[a:b] for a, b in pairwise(places)]
    assert feed_in(pieces) == neutralise(markdown)
    assert feed_in(list(markdown)) == neutralise(markdown)


@given(nasty)
@settings(max_examples=300)
def test_little_is_held_back(markdown: str) -> None:
    appender = Appender()
    for character in markdown:
        appender.feed(character)
        assert len(appender.held) <= 66


def test_plain_words_are_never_held_back() -> None:
    appender = Appender()
    for word in ("你好，", "price: ", "5 元", "(a_b) ", "x > y "):
        assert appender.feed(word) == word
    assert appender.end() == ""


def test_a_long_answer_in_single_characters_is_the_same() -> None:
    answer = long_answer(3000)
    assert feed_in(list(answer)) == neutralise(answer)
