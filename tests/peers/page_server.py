"""A server that speaks the page's protocol and fails on demand, for the tests of the page alone."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

PAGE = Path(__file__).parents[2] / "bots" / "web" / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
SUGGESTIONS = {
    "zh": ["怎么申请退货？", "多久能收到货？", "如何开具电子发票？"],
    "en": ["How do I return an item?", "When will my parcel arrive?", "Can I get an invoice?"],
}
SPOTS = {
    "{{account}}": "main",
    "{{language}}": "zh",
    "{{name}}": "小Q",
    "{{static}}": "/static",
}
HELLO = {
    "name": "小Q",
    "greeting": {
        "zh": "您好，我是**小Q**，很高兴为您服务。订单、物流、退换货和发票的问题都可以问我。",
        "en": "Hello, I am **XiaoQ**. Ask me about orders, shipping, returns or invoices.",
    },
    "suggestions": SUGGESTIONS,
    "max_characters": 4000,
    "theme": {"accent": "#3d57e0", "accent_dark": "#8fa3ff"},
    "sampling": {"temperature": 0.7, "top_p": 0.8, "max_tokens": 512},
    "files": {"max_bytes": 1_000_000, "most": 3, "accept": ".txt,.md,.pdf,.docx"},
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server answers instead of doing what it was asked."""

    status: int
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """Make a fresh response; one of aiohttp's can be sent only once."""
        body = {"error": "refused", "text": self.text}
        return web.json_response(body, status=self.status, headers=self.headers)


class PageServer:
    """One conversation, held as the list of its events."""

    def __init__(self) -> None:
        self.url = ""
        self.hellos = 0
        self.resumed_from: list[str | None] = []
        self.hello_refusals: deque[Refusal] = deque()
        self.post_refusals: deque[Refusal] = deque()
        self.stream_refusals: deque[Refusal] = deque()
        self.retry_ms = 50
        self.listed = [{"id": "home", "title": "怎么退货？", "began": 1.0, "last": 2.0}]
        self.upload_refusals: deque[Refusal] = deque()
        self.asked: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._posts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._events: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._round = 0

    async def tell(self, *events: dict[str, Any]) -> None:
        """Append events and wake every open stream."""
        async with self._news:
            self._events += events
            self._news.notify_all()

    async def told(self) -> tuple[str, dict[str, Any]]:
        """The next request of the page beside its questions: its path, and its body or query."""
        async with asyncio.timeout(30):
            return await self.asked.get()

    async def posted(self) -> dict[str, Any]:
        """The next question that the page handed in, refused ones too."""
        async with asyncio.timeout(30):
            return await self._posts.get()

    async def cut(self) -> None:
        """End every open stream, as a deploy does."""
        async with self._news:
            self._round += 1
            self._news.notify_all()

    def app(self) -> web.Application:
        """Build the routes that the page uses."""
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/web/main/hello", self._hello)
        app.router.add_post("/web/main/messages", self._messages)
        app.router.add_get("/web/main/events", self._stream)
        app.router.add_get("/web/main/conversations", self._list)
        app.router.add_post("/web/main/conversations", self._begin)
        app.router.add_get("/web/main/export", self._export)
        app.router.add_post("/web/main/files", self._file)
        app.router.add_post("/web/main/{verb:stop|votes}", self._note)
        app.router.add_delete("/web/main/conversations/{name}", self._remove)
        app.router.add_static("/static", PAGE)
        app.on_response_prepare.append(_add_headers)
        return app

    async def _page(self, _: web.Request) -> web.Response:
        html = (PAGE / "index.html").read_text(encoding="utf-8")
        for spot, value in SPOTS.items():
            html = html.replace(spot, value)
        return web.Response(text=html, content_type="text/html")

    async def _hello(self, _: web.Request) -> web.Response:
        self.hellos += 1
        if self.hello_refusals:
            return self.hello_refusals.popleft().response()
        response = web.json_response(HELLO)
        response.set_cookie("visitor", "v1", httponly=True, samesite="Lax")
        return response

    async def _messages(self, request: web.Request) -> web.Response:
        question = await request.json()
        await self._posts.put(question)
        if self.post_refusals:
            return self.post_refusals.popleft().response()
        return web.json_response({}, status=202)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"conversations": self.listed})

    async def _begin(self, _: web.Request) -> web.Response:
        self._events = []
        return web.json_response({"id": "00000000000000aa"}, status=201)

    async def _remove(self, request: web.Request) -> web.Response:
        self.listed = [one for one in self.listed if one["id"] != request.match_info["name"]]
        return web.Response(status=204)

    async def _export(self, request: web.Request) -> web.Response:
        await self.asked.put(("export", dict(request.query)))
        return web.Response(text="# 小Q\n", content_type="text/markdown")

    async def _file(self, request: web.Request) -> web.Response:
        content = await request.read()
        await self.asked.put(("files", {**request.query, "bytes": len(content)}))
        if self.upload_refusals:
            return self.upload_refusals.popleft().response()
        about = {"id": "f" * 16, "name": request.query["name"], "kind": "text", "is_cut": False}
        return web.json_response({**about, "bytes": len(content), "characters": 1}, status=201)

    async def _note(self, request: web.Request) -> web.Response:
        await self.asked.put((request.match_info["verb"], await request.json()))
        return web.json_response({}, status=202)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if "visitor" not in request.cookies:
            return web.Response(status=401)
        if self.stream_refusals:
            return self.stream_refusals.popleft().response()
        last = request.headers.get("Last-Event-ID")
        self.resumed_from.append(last)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"retry: {self.retry_ms}\n: keep-alive\n\n".encode())
        await self._follow(response, 0 if last is None else int(last) + 1)
        return response

    async def _follow(self, response: web.StreamResponse, position: int) -> None:
        begun = self._round
        while self._round == begun:
            for event in self._events[position:]:
                data = json.dumps(event, ensure_ascii=False)
                await response.write(f"id: {position}\ndata: {data}\n\n".encode())
                position += 1
            async with self._news:
                while len(self._events) == position and self._round == begun:
                    await self._news.wait()


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


@asynccontextmanager
async def serve_page() -> AsyncIterator[PageServer]:
    """A server on a free port of this machine, until the block ends."""
    server = PageServer()
    runner = web.AppRunner(server.app(), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield server
    finally:
        await server.cut()
        await runner.cleanup()
