"""A real Caddy with the project's file, in front of a running XiaoQ and of a far end of our own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

import pytest
from aiohttp import web
from company import Visitor, found_company, free_port, running, settings_for
from images import tool
from peers.model import chunk, open_peer, stream
from proxies import CADDYFILE, proxy

SECONDS = 20.0
CALLBACKS = ["/telegram/webhook", "/slack/events/repairs", "/wecom/callback", "/wecom/aibot/main"]


@dataclass
class FarEnd:
    """Stands where XiaoQ would, and keeps what arrives."""

    port: int = field(default_factory=free_port)
    heard: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append((request.raw_path, await request.read(), dict(request.headers)))
        return web.Response(text="heard")

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None, None]:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self.hear)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield
        finally:
            await runner.cleanup()


def test_the_file_is_valid_and_in_order():
    checked = tool("caddy", "validate", "--config", CADDYFILE, "--adapter", "caddyfile")
    assert checked.returncode == 0, checked.stderr
    assert tool("caddy", "fmt", CADDYFILE).stdout == CADDYFILE.read_text(encoding="utf-8")


async def test_an_answer_streams_through_it_as_it_is_written(tmp_path, redis_url, store, browser):
    go_on = asyncio.Event()
    async with open_peer() as peer:
        peer.script(stream(chunk("第一句话。"), go_on, chunk("第二句。"), chunk(finish="stop")))
        model = {"endpoints": [{"url": peer.url, "model": "peer"}]}
        settings = settings_for(
            found_company(tmp_path), redis_url, inference=model, web={"cookie_secure": True}
        )
        async with (
            running(settings) as house,
            proxy(tmp_path, house.settings.http.port) as base,
            asyncio.timeout(SECONDS),
        ):
            visitor = Visitor(browser, base)
            await visitor.hello()
            _, identity = await visitor.post("火星上有没有生命")
            async for event in visitor.events():
                if "第一句话" in str(event):
                    go_on.set()  # nothing more is written before this has been seen
                if event["type"] == "done" and event["reply"] == identity:
                    break
    assert event["text"] == "第一句话。第二句。"


@pytest.mark.parametrize("path", CALLBACKS)
async def test_a_callback_arrives_byte_for_byte(path, tmp_path, browser):
    body = '{"a" :1,  "b":"退货"}\r\n'.encode()
    said = {"X-Slack-Signature": "v0=abc", "X-Telegram-Bot-Api-Secret-Token": "s", "X-Odd": "1"}
    query = "?msg_signature=a%2Bb&echostr=c%3D%3D"
    far = FarEnd()
    async with far.listening(), proxy(tmp_path, far.port) as base:
        answer = await browser.post(f"{base}{path}{query}", data=body, headers=said)
        assert await answer.text() == "heard"
        too_much = await browser.post(f"{base}{path}", data=BytesIO(bytes(2_000_000)))
        assert too_much.status == 413
    heard_path, heard_body, headers = far.heard[0]
    assert (heard_path, heard_body) == (f"{path}{query}", body)
    assert said.items() <= headers.items()


async def test_a_callback_waits_for_a_restart_and_arrives_once(tmp_path, browser):
    far = FarEnd()
    async with proxy(tmp_path, far.port) as base, asyncio.TaskGroup() as group:
        url = f"{base}/slack/events"
        asked = group.create_task(browser.post(url, data=b"{}"))
        await asyncio.sleep(0.3)  # it knocks in vain meanwhile
        async with far.listening():
            assert (await asked).status == 200
    assert len(far.heard) == 1


async def test_what_is_for_operators_cannot_be_reached_from_outside(tmp_path, browser):
    far = FarEnd()
    async with far.listening(), proxy(tmp_path, far.port) as base:
        inner = ["/metrics", "/ready", "/live", "/admin", "/admin/conversations", "/METRICS"]
        codes = [(await browser.get(f"{base}{path}")).status for path in inner]
        assert (await browser.get(f"{base}/")).status == 200
    assert codes == [404] * len(inner)
    assert [path for path, _, _ in far.heard] == ["/"]


async def test_nobody_can_pretend_to_come_from_another_address(tmp_path, browser):
    far = FarEnd()
    async with far.listening(), proxy(tmp_path, far.port) as base:
        answer = await browser.get(f"{base}/", headers={"X-Forwarded-For": "203.0.113.9"})
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    _, _, headers = far.heard[0]
    assert headers["X-Forwarded-For"] in {"127.0.0.1", "::1"}
