"""The page stays light, still and quick, whatever it has to show."""

import gzip
from typing import Any

import pytest
from peers.page_server import PAGE, PageServer
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES = 120_000
MOST_NODES = 125
WORDS = [
    "您好，",
    "请这样",
    "做：\n\n1. 打开",
    "**我的",
    "订单**\n2. 点",
    "`退货`\n\n| 项 | 值 |\n|--|--|\n",
]
WORDS += ["| 甲 | 乙 |\n", "\n谢谢。"]
SHIFTS = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifted += entry.value;
  }).observe({ type: "layout-shift" });
}"""
PLACE = "(node) => node.getBoundingClientRect().top"


def turn(number: int, text: str = "好的。") -> list[dict[str, Any]]:
    question = {"type": "question", "id": f"q{number}", "text": f"问{number}", "at": 1}
    answer = {"reply": f"q{number}", "text": text, "outcome": "answered", "origin": "model"}
    return [question, {"type": "done", "sources": [], "is_cut": False, **answer}]


async def test_a_browser_loads_less_than_120_kilobytes() -> None:
    loaded = [path for path in PAGE.rglob("*") if path.suffix in {".html", ".css", ".js", ".mjs"}]
    assert loaded
    assert sum(len(gzip.compress(path.read_bytes())) for path in loaded) < MOST_BYTES


async def test_nothing_moves_while_an_answer_is_written(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(turn(0)[0])
    await expect(page.locator("#typing")).to_be_visible()
    await page_server.tell({"type": "thinking", "reply": "q0"}, {"type": "start", "reply": "q0"})
    asked = await page.locator(".question").evaluate(PLACE)
    waiting = await page.locator("#typing .bubble").evaluate(PLACE)
    await page.evaluate(SHIFTS)
    at = 0
    for word in WORDS:
        await page_server.tell({"type": "delta", "reply": "q0", "at": at, "text": word})
        at += len(word)
        shown = page.locator(".answer[data-state=streaming] .bubble")
        await expect(shown).to_be_visible()
        assert await shown.evaluate(PLACE) == waiting
    await page_server.tell(turn(0, "".join(WORDS))[1])
    await expect(page.locator(".answer[data-state=done]")).to_have_count(1)
    assert await page.locator(".question").evaluate(PLACE) == asked
    assert await page.locator(".answer[data-state=done] .bubble").evaluate(PLACE) == waiting
    assert await page.evaluate("window.shifted") < 0.005


async def test_two_thousand_messages_are_as_light_as_a_few_and_all_can_be_read(
    page: Page, page_server: PageServer
) -> None:
    for number in range(1000):
        await page_server.tell(*turn(number))
    await expect(page.locator(".question .bubble").last).to_have_text("问999")
    messages = page.locator(".message")
    assert await messages.count() <= MOST_NODES
    read = await page.evaluate(
        """async () => {
          const scroller = document.querySelector("#scroller");
          const read = new Set();
          while (document.querySelector("#log > .answer[hidden]") || scroller.scrollTop > 0) {
            scroller.scrollTop -= 400;
            await new Promise(requestAnimationFrame);
            for (const node of document.querySelectorAll(".question .bubble")) {
              read.add(node.textContent);
            }
          }
          return read.size;
        }"""
    )
    assert read == 1000
    assert await messages.count() <= MOST_NODES
    await page_server.tell(*turn(1000))
    await page.locator("#latest").click()
    await expect(page.locator(".question .bubble").last).to_have_text("问1000")
    assert await messages.count() <= MOST_NODES


async def test_what_is_read_stays_where_it_is_while_older_messages_come(
    page: Page, page_server: PageServer
) -> None:
    for number in range(200):
        await page_server.tell(*turn(number))
    await expect(page.locator(".question .bubble").last).to_have_text("问199")
    moved = await page.evaluate(
        """async () => {
          const scroller = document.querySelector("#scroller");
          let worst = 0;
          scroller.scrollTop -= 200;
          await new Promise(requestAnimationFrame);
          for (let step = 0; step < 40; step += 1) {
            const middle = document.elementFromPoint(500, 350).closest(".message");
            const before = middle?.getBoundingClientRect().top;
            scroller.scrollTop -= 50;
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            if (!middle) continue;
            worst = Math.max(worst, Math.abs(middle.getBoundingClientRect().top - before - 50));
          }
          return worst;
        }"""
    )
    assert moved <= 1
