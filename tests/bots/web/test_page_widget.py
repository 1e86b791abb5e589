"""The chat inside another site's page, against the real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from company import found_company, free_port, running, settings_for
from peers.browser import open_browser, open_page
from playwright.async_api import Browser, Frame, Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAME = """(src) => document.body.append(
    Object.assign(document.createElement("iframe"), { src }))"""
HOST_STYLE = "button, iframe { display: none !important } * { color: red }"


@asynccontextmanager
async def open_site(chat: str, port: int) -> AsyncIterator[str]:
    """A site of somebody else, which forbids everything but this chat."""
    policy = f"default-src 'self'; script-src {chat}; connect-src {chat}; frame-src {chat}"

    async def home(_: web.Request) -> web.Response:
        script = f'<script async src="{chat}/static/widget.js"></script>'
        style = '<link rel="stylesheet" href="/style.css">'
        text = f"<!doctype html><title>shop</title>{style}{script}<h1>shop</h1>"
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def style(_: web.Request) -> web.Response:
        return web.Response(text=HOST_STYLE, content_type="text/css")

    app = web.Application()
    app.router.add_get("/", home)
    app.router.add_get("/style.css", style)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://localhost:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def open_shop(folder: Path, redis_url: str, *origins: str) -> AsyncIterator[str]:
    """XiaoQ with a persona that allows these sites."""
    found_company(folder)
    persona = folder / "personas" / "shop.yaml"
    page = f'page: {{theme: {{accent: "#117733"}}, origins: {list(origins)}}}\n'
    persona.write_text(persona.read_text() + page)
    settings = settings_for(folder, redis_url)
    async with running(settings):
        yield f"http://127.0.0.1:{settings.http.port}"


async def frame_of(page: Page) -> Frame:
    """The chat inside the page, once it is there."""
    while len(page.frames) < 2:
        await page.wait_for_event("frameattached")
    return page.frames[1]


async def test_one_script_tag_brings_the_chat_into_an_allowed_site(
    browser: Browser, tmp_path: Path, redis_url: str
) -> None:
    port = free_port()
    async with (
        open_shop(tmp_path, redis_url, f"http://localhost:{port}") as chat,
        open_site(chat, port) as site,
        open_page(browser) as page,
    ):
        await page.goto(site)
        widget = page.locator("xiaoq-widget")
        await expect(widget).to_be_visible()
        await widget.click()
        frame = await frame_of(page)
        box = frame.locator("#text")
        await expect(box).to_be_visible()
        await box.fill("怎么退货？")
        await box.press("Enter")
        answer = frame.locator(".answer[data-state=done] .bubble")
        await expect(answer).to_contain_text("七天内可以退货")
        colour = await frame.evaluate("getComputedStyle(document.body).getPropertyValue('--brand')")
        assert colour.strip() == "rgb(17 119 51)"
        cookies = await page.context.cookies()
        assert cookies == []
        await page.reload()
        await widget.click()
        await expect((await frame_of(page)).locator(".question .bubble")).to_have_text("怎么退货？")
        await (await frame_of(page)).locator("#leave").click()
        await expect((await frame_of(page)).locator("#text")).to_be_hidden()


async def test_the_site_can_neither_read_the_chat_nor_reach_into_the_button(
    browser: Browser, tmp_path: Path, redis_url: str
) -> None:
    port = free_port()
    async with (
        open_shop(tmp_path, redis_url, f"http://localhost:{port}") as chat,
        open_site(chat, port) as site,
        open_page(browser) as page,
    ):
        await page.goto(site)
        await page.locator("xiaoq-widget").click()
        await expect((await frame_of(page)).locator("#text")).to_be_visible()
        assert await page.evaluate("document.querySelector('xiaoq-widget').shadowRoot") is None
        assert await page.evaluate("window.length") == 0


async def test_a_site_that_is_not_allowed_shows_nothing_and_cannot_frame_the_page(
    tmp_path: Path, redis_url: str
) -> None:
    port = free_port()
    async with (
        open_browser() as browser,
        open_shop(tmp_path, redis_url, "https://other.example") as chat,
        open_site(chat, port) as site,
    ):
        page = await browser.new_page()
        async with page.expect_console_message(lambda said: "XiaoQ: no chat" in said.text):
            await page.goto(site)
        async with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
            await page.evaluate(FRAME, f"{chat}/")
        await expect(page.locator("xiaoq-widget")).to_have_count(0)


async def test_the_demo_page_shows_the_widget_on_a_fresh_checkout(
    browser: Browser, tmp_path: Path, redis_url: str
) -> None:
    async with open_shop(tmp_path, redis_url) as chat, open_page(browser) as page:
        await page.goto(f"{chat}/static/demo.html")
        await page.locator("xiaoq-widget").click()
        await expect((await frame_of(page)).locator("#text")).to_be_visible()
