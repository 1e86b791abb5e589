"""WCAG 2.2 AA, as far as axe can tell, in each state and look of the page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from peers.browser import open_page
from peers.page_server import PageServer
from playwright.async_api import Browser, Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ANSWER = "# 退货\n\n1. 打开**订单**\n2. 点`退货`\n\n| 项 | 值 |\n|---|---|\n| 甲 | 乙 |\n\n> 注\n\n[看](https://a.example)"
ANSWER += f"\n\n```sh\nls {'-l ' * 90}\n```"
EVENTS: list[dict[str, Any]] = [
    {"type": "question", "id": "q1", "text": "怎么退货？", "at": 1, "files": [{"name": "a.pdf"}]},
    {
        "type": "done",
        "reply": "q1",
        "text": ANSWER,
        "sources": [
            {"title": "退换货", "path": "r.md"},
            {"title": "b", "path": "https://b.example"},
        ],
        "outcome": "answered",
        "origin": "model",
        "is_cut": True,
    },
    {"type": "vote", "reply": "q1", "vote": "up"},
    {"type": "fresh", "id": "f1"},
    {"type": "question", "id": "q2", "text": "人工", "at": 2},
    {"type": "done", "reply": "q2", "text": "出错了", "sources": [], "outcome": "failed"},
    {"type": "question", "id": "q3", "text": "在吗", "at": 3},
    {"type": "thinking", "reply": "q3"},
]


@pytest_asyncio.fixture(params=["light", "dark", "phone"], loop_scope="session")
async def page(
    browser: Browser, page_server: PageServer, request: pytest.FixtureRequest
) -> AsyncIterator[Page]:
    """The page in one of its looks."""
    locale = "en-US" if request.param == "phone" else "zh-CN"
    width = 360 if request.param == "phone" else 1100
    async with open_page(browser, locale=locale, width=width) as opened:
        await opened.emulate_media(color_scheme="dark" if request.param == "dark" else "light")
        await opened.goto(page_server.url)
        await expect(opened.locator(".answer")).to_have_count(1)
        yield opened


async def violations(page: Page) -> list[tuple[str, list[str]]]:
    options = {"runOnly": RULES, "rules": {"target-size": {"enabled": True}}}
    results = await Axe().run(page, options=options)
    return [
        (found["id"], [node["html"][:120] + str(node["any"])[:200] for node in found["nodes"]])
        for found in results.response["violations"]
    ]


async def test_a_new_conversation_has_no_barriers(page: Page) -> None:
    assert await violations(page) == []


async def test_a_long_conversation_has_no_barriers(page: Page, page_server: PageServer) -> None:
    await page_server.tell(*EVENTS)
    await expect(page.locator("#typing")).to_be_visible()
    await page.locator("#picker").set_input_files(
        [{"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"}]
    )
    await expect(page.locator("#attached .file")).to_have_attribute("data-state", "ready")
    assert await violations(page) == []


@pytest.mark.parametrize("drawer", ["past", "settings"])
async def test_the_panels_have_no_barriers(page: Page, drawer: str) -> None:
    await page.locator(f"#open-{drawer}").click()
    await expect(page.locator(f"#{drawer}")).to_be_visible()
    if drawer == "past":
        await expect(page.locator(".entry")).to_have_count(1)
    assert await violations(page) == []


async def test_everything_is_reached_and_left_with_the_keyboard(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(*EVENTS[:3])
    await expect(page.locator(".sources")).to_have_count(2)
    await page.locator("#open-past").focus()
    seen: list[str] = []
    # Once around: a browser also stops at what can be scrolled, which depends on its fonts.
    while seen.count("open-past") < 2 and len(seen) < 60:
        seen.append(
            await page.evaluate("document.activeElement.id || document.activeElement.className")
        )
        await page.keyboard.press("Tab")
    for wanted in (
        "open-past",
        "renew",
        "open-settings",
        "scroller",
        "icon copy",
        "icon again",
        "attach",
        "text",
    ):
        assert wanted in seen, seen
    await page.locator("#open-settings").press("Enter")
    await expect(page.locator("#settings")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#open-settings")).to_be_focused()


async def test_a_finished_answer_is_spoken_once_and_whole(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(EVENTS[0], {"type": "start", "reply": "q1"})
    await page_server.tell({"type": "delta", "reply": "q1", "at": 0, "text": "七天"})
    await expect(page.locator(".answer[data-state=streaming]")).to_have_count(1)
    await expect(page.locator("#said")).to_be_empty()
    await page_server.tell({**EVENTS[1], "text": "七天**内**"})
    await expect(page.locator("#said")).to_have_text("七天内")
