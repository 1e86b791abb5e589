"""A server that speaks the page's protocol and says only what a test lets it say."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

HELLO = {"name": "小Q", "greeting": {"zh": "您好", "en": "Hello", "zh-TW": "妳好"}}


class Desk:
    """What it says, and what it heard."""

    def __init__(self) -> None:
        self.hello: dict = HELLO
        self.posts: list[dict] = []
        self.post_answers: list[tuple[int, dict]] = []
        self.resumed: list[str | None] = []
        self.streams: list[list[dict]] = []
        """Events of each connection; it is cut after its last one."""
        self.stream_status = 200
        self.url = ""

    async def greet(self, _: web.Request) -> web.Response:
        return web.json_response(self.hello)

    async def post(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        status, body = self.post_answers.pop(0) if self.post_answers else (202, {})
        return web.json_response(body, status=status)

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.resumed.append(request.headers.get("Last-Event-ID"))
        response = web.StreamResponse(status=self.stream_status)
        await response.prepare(request)
        for number, event in enumerate(self.streams.pop(0) if self.streams else []):
            data = json.dumps({"reply": self.posts[-1]["id"]} | event)
            await response.write(f"id: {len(self.resumed)}-{number}\ndata: {data}\n\n".encode())
        return response


@asynccontextmanager
async def open_desk(desk: Desk, port: int = 0) -> AsyncIterator[Desk]:
    """Serve it until the block ends."""
    app = web.Application()
    app.router.add_get("/web/main/hello", desk.greet)
    app.router.add_post("/web/main/messages", desk.post)
    app.router.add_get("/web/main/events", desk.events)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        desk.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield desk
    finally:
        await runner.cleanup()


def delta(at: int, text: str) -> dict:
    return {"type": "delta", "at": at, "text": text}


def done(text: str, *sources: dict) -> dict:
    return {"type": "done", "text": text, "sources": sources}
