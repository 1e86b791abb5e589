"""The page in a real browser against the real server, where somebody means harm."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio
from aiohttp import web
from company import found_company, free_port, running, settings_for
from peers.browser import open_page
from peers.model import ModelPeer, chunk, open_peer, stream
from playwright.async_api import Browser, Page, expect

from bots.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")

HARM = [
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    "<svg onload='window.harmed = 1'>",
    "[click](javascript:window.harmed=1)",
    "<iframe srcdoc='<script>parent.harmed=1</script>'></iframe>",
    '<a href="x" onclick="window.harmed=1" style="position:fixed;inset:0">x</a>',
    "<form action=https://evil.example><input name=card></form>",
    "![x](https://evil.example/pixel.gif)",
]
TURNED = "exe.\u202egpj\u202c \u2066x\u2069"
FORGE = """async ([chat, id]) => {
  const body = JSON.stringify({ id, text: "FORGED" });
  const form = document.createElement("form");
  Object.assign(form, { method: "post", enctype: "text/plain", target: "_blank" });
  form.action = `${chat}/web/main/messages`;
  form.append(Object.assign(document.createElement("input"), { name: body, value: "" }));
  document.body.append(form);
  form.submit();
  const send = (headers, mode) => fetch(form.action, {
    method: "POST", credentials: "include", mode, headers, body,
  }).then((response) => response.type, () => "refused");
  return [
    await send({ "Content-Type": "text/plain" }, "no-cors"),
    await send({ "Content-Type": "application/json" }, "cors"),
  ];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def peer() -> AsyncIterator[ModelPeer]:
    async with open_peer() as model:
        yield model


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path, redis_url: str, peer: ModelPeer) -> AsyncIterator[House]:
    found_company(tmp_path)
    endpoints = [{"url": peer.url, "model": "peer"}]
    settings = settings_for(tmp_path, redis_url, inference={"endpoints": endpoints})
    async with running(settings) as opened:
        yield opened


def address_of(house: House) -> str:
    return f"http://127.0.0.1:{house.settings.http.port}"


@asynccontextmanager
async def visit(browser: Browser, house: House) -> AsyncIterator[Page]:
    """The page of a new visitor."""
    async with open_page(browser) as page:
        await page.goto(address_of(house))
        await expect(page.locator(".answer")).to_have_count(1)
        yield page


async def ask(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.keyboard.press("Enter")
    await expect(page.locator(".answer[data-state=done]").last).to_be_visible()


async def cookie_of(page: Page) -> Any:
    return next(one for one in await page.context.cookies() if one["name"] == "xiaoq_visitor")


async def test_what_a_model_and_a_customer_write_runs_nowhere(
    browser: Browser, house: House, peer: ModelPeer
) -> None:
    text = "\n\n".join(HARM)
    peer.script(stream(chunk(text[:70]), chunk(text[70:]), chunk(finish="stop")))
    asked: list[str] = []
    async with visit(browser, house) as page:
        page.on("request", lambda request: asked.append(request.url))
        await ask(page, text)
        await expect(page.locator(".question .bubble")).to_contain_text("<script>")
        await expect(page.locator(".answer .bubble").last).to_contain_text("<form action")
        assert await page.evaluate("window.harmed") is None
        inside = page.locator("#log").locator("script, iframe, form, input, [onclick], [style]")
        await expect(inside).to_have_count(0)
        await page.reload()
        await expect(page.locator(".answer .bubble").last).to_contain_text("<form action")
        assert await page.evaluate("window.harmed") is None
    assert not [url for url in asked if not url.startswith(address_of(house))]


async def test_signs_that_turn_text_around_and_links_that_pretend_are_seen_through(
    browser: Browser, house: House, peer: ModelPeer
) -> None:
    link = "[https://bank.example/login](https://evil.example/)"
    peer.script(stream(chunk(f"{TURNED} {link}"), chunk(finish="stop")))
    async with visit(browser, house) as page:
        await ask(page, TURNED)
        shown = await page.locator("#log").text_content() or ""
        assert not set("\u202e\u202c\u2066\u2069") & set(shown)
        pretender = page.locator(".answer a")
        await expect(pretender).to_have_text("https://bank.example/login (evil.example)")


async def test_a_huge_table_stays_in_its_place(
    browser: Browser, house: House, peer: ModelPeer
) -> None:
    row = "|" + "格|" * 60 + "\n"
    table = row + "|" + "-|" * 60 + "\n" + row * 150
    peer.script(stream(chunk(table), chunk(finish="stop")))
    async with visit(browser, house) as page:
        await ask(page, "给我一张大表")
        await expect(page.locator(".answer table")).to_be_visible()
        wide = "document.querySelector('#scroller').scrollWidth > innerWidth"
        assert await page.evaluate(wide) is False
        await page.fill("#text", "还能打字")
        await expect(page.locator("#send")).to_be_enabled()


async def test_the_name_of_anothers_conversation_shows_nothing(
    browser: Browser, house: House
) -> None:
    async with visit(browser, house) as victim, visit(browser, house) as thief:
        await ask(victim, "我的订单号是八八八")
        await victim.locator("#renew").click()
        await expect(victim.locator(".question")).to_have_count(0)
        await ask(victim, "我的订单号是九九九")
        name = await victim.evaluate("localStorage['xiaoq-conversation-main']")
        await thief.evaluate("(name) => (localStorage['xiaoq-conversation-main'] = name)", name)
        await thief.reload()
        await expect(thief.locator("#suggestions")).to_be_attached()
        await ask(thief, "在吗")
        assert "九九九" not in (await thief.locator("body").text_content() or "")
        await expect(thief.locator(".question")).to_have_count(1)


async def test_a_cookie_without_its_signature_is_a_strangers(
    browser: Browser, house: House
) -> None:
    async with visit(browser, house) as victim:
        await ask(victim, "我的订单号是八八八")
        cookie = await cookie_of(victim)
    visitor, _, signature = unquote(cookie["value"]).partition(".")
    for value in (visitor, f"{visitor}.", f"{visitor}.{'0' * len(signature)}"):
        async with open_page(browser) as thief:
            await thief.context.add_cookies([{**cookie, "value": value}])
            await thief.goto(address_of(house))
            await expect(thief.locator(".answer")).to_have_count(1)
            await expect(thief.locator(".question")).to_have_count(0)
            assert not unquote((await cookie_of(thief))["value"]).startswith(visitor)


async def test_another_site_can_ask_nothing_in_a_visitors_name(
    browser: Browser, house: House
) -> None:
    """The worst site there is: on the same host, so that the browser sends it the cookie."""
    app = web.Application()
    app.router.add_get("/", _prize)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with visit(browser, house) as victim:
        evil = await victim.context.new_page()
        await evil.goto(f"http://127.0.0.1:{port}/")
        identity = "00000000-0000-4000-8000-000000000000"
        outcome = await evil.evaluate(FORGE, [address_of(house), identity])
        assert outcome == ["opaque", "refused"]
        await ask(victim, "在吗")
        await victim.reload()
        await expect(victim.locator(".question .bubble")).to_have_text(["在吗"])
    await runner.cleanup()


async def _prize(_: web.Request) -> web.Response:
    return web.Response(text="<h1>win a prize</h1>", content_type="text/html")
