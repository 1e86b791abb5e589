"""An answer in a real browser while the real server goes away and comes back."""

import asyncio
from pathlib import Path

import pytest
from company import found_company, running, settings_for
from peers.browser import open_page
from peers.model import chunk, open_peer, stream
from playwright.async_api import Browser, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = [f"词{number}，" for number in range(60)]
WATCH = """() => {
  window.seen = [];
  const note = () => {
    const text = document.querySelector(".answer[data-state] .bubble")?.textContent.trim();
    if (text && text !== window.seen.at(-1)) window.seen.push(text);
  };
  new MutationObserver(note).observe(document.querySelector("#log"),
    { subtree: true, childList: true, characterData: true });
}"""


async def test_no_word_is_lost_or_doubled_when_the_network_is_cut(
    browser: Browser, tmp_path: Path, redis_url: str
) -> None:
    found_company(tmp_path)
    async with open_peer() as peer:
        endpoints = [{"url": peer.url, "model": "peer"}]
        settings = settings_for(tmp_path, redis_url, inference={"endpoints": endpoints})
        parts = [part for word in WORDS for part in (0.02, chunk(word))]
        peer.script(stream(*parts, chunk(finish="stop")))
        async with running(settings), open_page(browser) as page:
            await page.goto(f"http://127.0.0.1:{settings.http.port}/")
            await page.evaluate(WATCH)
            await page.fill("#text", "讲个故事")
            await page.keyboard.press("Enter")
            bubble = page.locator(".answer[data-state] .bubble")
            await expect(bubble).to_contain_text("词5，")
            await page.context.set_offline(True)
            await expect(page.locator("#banner")).to_be_visible()
            await page.context.set_offline(False)
            await expect(page.locator(".answer[data-state=done] .bubble")).to_have_text(
                "".join(WORDS), timeout=15_000
            )
            seen: list[str] = await page.evaluate("window.seen")
    assert [text for text in seen if not "".join(WORDS).startswith(text)] == []
    assert seen == sorted(seen, key=len)


async def test_an_answer_goes_on_when_the_server_was_started_again(
    browser: Browser, tmp_path: Path, redis_url: str
) -> None:
    found_company(tmp_path)
    async with open_peer() as peer:
        endpoints = [{"url": peer.url, "model": "peer"}]
        settings = settings_for(tmp_path, redis_url, inference={"endpoints": endpoints})
        hold = asyncio.Event()
        peer.script(
            stream(chunk(WORDS[0]), hold, end="hang"),
            stream(*map(chunk, WORDS), chunk(finish="stop")),
        )
        async with open_page(browser) as page:
            async with running(settings):
                await page.goto(f"http://127.0.0.1:{settings.http.port}/")
                await page.get_by_placeholder("请输入您的问题…").fill("讲个故事")
                await page.keyboard.press("Enter")
                bubble = page.locator(".answer[data-state] .bubble")
                await expect(bubble).to_have_text(WORDS[0])
            await expect(page.locator("#banner")).to_be_visible()
            async with running(settings):
                await expect(page.locator(".answer[data-state=done] .bubble")).to_have_text(
                    "".join(WORDS), timeout=20_000
                )
                await expect(page.locator(".question")).to_have_count(1)
                await expect(page.locator(".answer[data-state]")).to_have_count(1)
                await expect(page.locator("#banner")).to_be_hidden()
