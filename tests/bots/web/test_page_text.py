"""The page's own modules, run in a real browser: the conversation's state and its Markdown."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from peers.browser import open_page
from peers.page_server import serve_page
from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

RENDER = """async ([text, open]) => {
  const { render } = await import("/static/markdown.js");
  const box = document.createElement("div");
  box.append(render(text, { open }));
  return box.innerHTML.trim();
}"""
# Every beginning of a text: what the reader sees of it, and the names of its blocks.
GROW = """async (text) => {
  const { render } = await import("/static/markdown.js");
  const points = Array.from(text);
  return points.map((_, at) => {
    const box = document.createElement("div");
    box.append(render(points.slice(0, at + 1).join(""), { open: true }));
    return [box.textContent, Array.from(box.children, (node) => node.nodeName).join(" ")];
  });
}"""
REPLAY = """async (script) => {
  const { Conversation } = await import("/static/conversation.js");
  const conversation = new Conversation();
  const outcomes = script.map(([call, ...values]) => conversation[call](...values) ?? null);
  const { messages, waiting, streaming, untouched } = conversation;
  return { outcomes, messages, waiting, streaming, untouched };
}"""
ANSWER = """您好，**七天无理由：**请看步骤
- 打开**“我的订单”**，点`申请退货`
- 看[这里](https://example.com/a)

| 项 | 值 |
|---|---|
| **甲** | ~~乙~~ |

```python
print("好")
```

1. 完成
2. 再见
---
祝您愉快😀"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """One page for all: nothing here changes it."""
    async with serve_page() as server, open_page(browser) as opened:
        await opened.goto(server.url)
        yield opened


async def html_of(page: Page, text: str, *, unfinished: bool = False) -> str:
    html: str = await page.evaluate(RENDER, [text, unfinished])
    return html


async def replay(page: Page, *script: list[Any]) -> dict[str, Any]:
    state: dict[str, Any] = await page.evaluate(REPLAY, list(script))
    return state


def told(number: int, kind: str, **fields: Any) -> list[Any]:
    return ["receive", {"type": kind, **fields}, str(number)]


@pytest.mark.parametrize(
    ("text", "bold"),
    [
        ("这是**重要：**内容", "重要："),
        ("这是**重要:**内容", "重要:"),
        ("**“引号”**后面", "“引号”"),
        ("价格**¥100**元", "¥100"),
        ("价格**$100**元", "$100"),
        ("他说**你好。**然后", "你好。"),
        ("**提示💡**内容", "提示💡"),
        ("a **b** c", "b"),
    ],
)
async def test_bold_works_beside_chinese_punctuation(page: Page, text: str, bold: str) -> None:
    assert f"<strong>{bold}</strong>" in await html_of(page, text)


@pytest.mark.parametrize(
    "text", ["3*4*5", "满100*减20", "snake_case_name", "a * b * c", "标题\n---"]
)
async def test_what_is_no_markup_stays_text(page: Page, text: str) -> None:
    html = await html_of(page, text)
    assert not any(tag in html for tag in ("<em>", "<strong>", "<h1", "<h2", "<h3", "<h4"))


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "<b onclick=alert(1) style=color:red>x</b>",
        "[x](javascript:alert(1))",
        "[x](  JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        '[x](https://a.example "onmouseover=alert(1)")',
        "![x](https://tracker.example/p.gif)",
        "![x](javascript:alert(1))",
        '```"><img src=x onerror=alert(1)>\nx\n```',
        "| a |\n|:-:|\n| <svg/onload=alert(1)> |",
    ],
)
async def test_an_answer_cannot_bring_code_pictures_or_styles(page: Page, text: str) -> None:
    found = await page.evaluate(
        """async (text) => {
          const { render } = await import("/static/markdown.js");
          const box = document.createElement("div");
          document.body.append(box);
          box.append(render(text));
          const nodes = [...box.querySelectorAll("*")];
          const names = new Set(nodes.flatMap((node) => node.getAttributeNames()));
          const links = [...box.querySelectorAll("[href]")].map((node) => node.protocol);
          box.remove();
          return [nodes.map((node) => node.nodeName), [...names], links];
        }""",
        text,
    )
    tags, attributes, protocols = found
    assert not {"IMG", "SCRIPT", "SVG", "B", "IFRAME"} & set(tags)
    assert set(attributes) <= {"class", "href", "rel", "target"}
    assert set(protocols) <= {"https:"}


async def test_links_open_elsewhere_and_end_where_the_address_ends(page: Page) -> None:
    html = await html_of(page, "请访问https://example.com/help?a=1查看（https://b.example）。")
    attributes = 'target="_blank" rel="noopener noreferrer nofollow"'
    assert f'<a href="https://example.com/help?a=1" {attributes}>' in html
    assert f'<a href="https://b.example" {attributes}>https://b.example</a>）。' in html


async def test_a_growing_answer_never_shows_its_marks_nor_takes_a_block_back(page: Page) -> None:
    grown = await page.evaluate(GROW, ANSWER)
    blocks = ""
    for text, names in grown:
        assert not set("*`|[]~#") & set(text), text
        assert names.startswith(blocks), text
        blocks = names
    assert blocks == "P UL TABLE PRE OL HR P"
    assert await html_of(page, ANSWER, unfinished=True) == await html_of(page, ANSWER)


async def test_events_heard_twice_change_nothing(page: Page) -> None:
    story = [
        told(0, "question", id="q1", text="问", at=1),
        told(1, "start", reply="r1"),
        told(2, "delta", reply="r1", at=0, text="你好"),
        told(3, "delta", reply="r1", at=2, text="😀吗"),
        told(4, "delta", reply="r1", at=4, text="？"),
    ]
    again = [["rewind"], *story]
    end = told(5, "done", reply="r1", text="完", sources=[], outcome="answered", origin="faq")
    line = told(6, "fresh", id="f1")
    once = await replay(page, *story)
    assert [message["text"] for message in once["messages"]] == ["问", "你好😀吗？"]
    assert once["streaming"]
    twice = await replay(page, *story, *story, *again)
    assert twice["messages"] == once["messages"]
    assert twice["outcomes"][5:10] == ["same"] * 5
    finished = await replay(page, *story, end, line, *story, *again, end, line)
    assert [message.get("text") for message in finished["messages"]] == ["问", "完", None]
    assert not finished["streaming"]
    assert finished["untouched"]


async def test_an_answer_begun_again_after_a_crash_starts_empty(page: Page) -> None:
    state = await replay(
        page,
        told(0, "start", reply="r1"),
        told(1, "delta", reply="r1", at=0, text="旧的开头"),
        told(2, "start", reply="r1"),
        told(3, "delta", reply="r1", at=0, text="新"),
    )
    assert [message["text"] for message in state["messages"]] == ["新"]


async def test_a_hole_asks_for_one_rereading_and_then_waits_for_the_end(page: Page) -> None:
    late = told(7, "delta", reply="r1", at=5, text="晚")
    state = await replay(page, told(0, "start", reply="r1"), late, ["rewind"], late, late)
    assert state["outcomes"] == ["changed", "gap", None, "same", "same"]


async def test_own_questions_stay_last_until_the_server_tells_them_back(page: Page) -> None:
    asked = [
        ["ask", {"id": "b", "text": "乙", "at": 2}],
        told(0, "question", id="a", text="甲", at=1),
    ]
    state = await replay(page, *asked)
    assert [(m["id"], m["state"]) for m in state["messages"]] == [("a", "sent"), ("b", "sending")]
    state = await replay(
        page,
        *asked,
        ["mark", "b", "sent"],
        told(1, "done", reply="r", text="答", sources=[], outcome="answered", origin="faq"),
        told(2, "question", id="b", text="乙", at=2),
    )
    assert [message["id"] for message in state["messages"]] == ["a", "r", "b"]
    assert state["waiting"]
