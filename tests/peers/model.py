"""A model server that says what it is told to: OpenAI chat completions on real aiohttp.

Without a script it answers at once, and always the same to the same question (`answer_text`).
A test scripts faults with `peer.script(...)`: each request uses up one of them, in order. As a
program it prints its URL as one line of JSON and serves until it is stopped:

    python tests/peers/model.py --port 0 --tokens 40 --delay-ms 0
"""

import argparse
import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from aiohttp import web

FILLER = "谢谢您的耐心等待。"

Body = dict[str, Any]
Tokenizer = Literal["vllm", "llama.cpp"]
End = Literal["close", "cut", "hang"]
Part = bytes | float | asyncio.Event
Behaviour = Callable[[web.Request, Body], Awaitable[web.StreamResponse]]


def answer_text(question: str, tokens: int = 4) -> str:
    """Return what the peer answers to a last user message."""
    return "".join(answer_pieces(question, tokens))


def answer_pieces(question: str, tokens: int) -> list[str]:
    """Cut the answer into exactly so many chunks, each of them text."""
    text = f"回答：{question}"
    while len(text) < tokens:
        text += FILLER
    cuts = [len(text) * i // tokens for i in range(tokens + 1)]
    return [text[a:b] for a, b in pairwise(cuts)]


def chunk(
    text: str | None = None, *, finish: str | None = None, usage: Body | None = None, **delta: str
) -> bytes:
    """Build one event of a stream."""
    if text is not None:
        delta["content"] = text
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event: Body = {
        "id": "chatcmpl-peer",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "peer@main",
        "choices": [] if usage else [choice],
    }
    if usage:
        event["usage"] = usage
    return b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def answer(
    tokens: int = 4, delay: float = 0.0, *, done: bool = True, usage: bool = True
) -> Behaviour:
    """Answer the question in so many chunks, with a pause of `delay` seconds before each.

    `done` and `usage` say whether `[DONE]` and the token counts are sent.
    """

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        parts: list[Part] = [chunk("", role="assistant")]
        for piece in answer_pieces(question(body), tokens):
            parts += [delay, chunk(piece)] if delay else [chunk(piece)]
        parts.append(chunk(finish="stop"))
        if usage:
            parts.append(chunk(usage={"prompt_tokens": 7, "completion_tokens": tokens}))
        if done:
            parts.append(DONE)
        return await stream(*parts)(request, body)

    return behave


def stream(
    *parts: Part,
    end: End = "close",
    content_type: str = "text/event-stream",
) -> Behaviour:
    """Send bytes as they are, pausing for a number's seconds or until an event is set.

    At the end close the stream properly, cut the connection, or hang.
    """

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for part in parts:
            if isinstance(part, bytes):
                await response.write(part)
            elif isinstance(part, float):
                await asyncio.sleep(part)
            else:
                await part.wait()
        if end == "hang":
            await asyncio.Event().wait()
        if end == "cut":
            disconnect(request)
        return response

    return behave


def status(code: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with an error status, and with words that must not be logged."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        error = {"message": f"cannot read: {body}", "code": code}
        return web.json_response({"error": error}, status=code, headers=headers)

    return behave


def whole(tokens: int = 4) -> Behaviour:
    """Ignore `stream` and answer with one JSON object."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        text = answer_text(question(body), tokens)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": tokens}
        return web.json_response({"choices": [choice], "usage": usage})

    return behave


def hang() -> Behaviour:
    """Say nothing at all until the client leaves."""

    async def behave(_request: web.Request, _body: Body) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return behave


def drop() -> Behaviour:
    """Close the connection without a word."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        disconnect(request)
        return web.Response()

    return behave


def disconnect(request: web.Request) -> None:
    """Close a request's connection."""
    if request.transport is not None:
        request.transport.close()


def question(body: Body) -> str:
    """Return the last user message of a request."""
    return next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), "")


@dataclass(slots=True)
class ModelPeer:
    """A running peer: what it does, and what it saw."""

    default: Behaviour = field(default_factory=answer)
    """What it does when the script is used up."""
    tokenizer: Tokenizer | None = None
    """The dialect of its `/tokenize`; one token a character."""
    tokenize_with: Callable[[], Awaitable[web.StreamResponse]] | None = None
    """What `/tokenize` answers instead."""
    remember: bool = True
    """Keep the requests in `bodies`, `headers` and `counted`."""
    url: str = ""
    """Base address, ends in /v1."""
    bodies: list[Body] = field(default_factory=list)
    """Bodies of the chat requests it got."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Headers of the chat requests it got."""
    counted: list[Body] = field(default_factory=list)
    """Bodies of the tokenize requests it got."""
    open: int = 0
    """Chat requests under way."""
    most_open: int = 0
    """The most chat requests that were under way at a time."""
    disconnects: int = 0
    """Chat requests whose client left before the end."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _script: deque[Behaviour] = field(default_factory=deque)

    def script(self, *behaviours: Behaviour) -> None:
        """Let the next requests meet these, one each."""
        self._script.extend(behaviours)

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something is true of the peer; what it is about must change with a request."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(condition)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Serve `/v1/chat/completions`."""
        body = await request.json()
        if self.remember:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        await self._count(+1)
        try:
            behave = self._script.popleft() if self._script else self.default
            return await behave(request, body)
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnects += 1
            raise
        finally:
            await self._count(-1)

    async def tokenize(self, request: web.Request) -> web.StreamResponse:
        """Serve `/tokenize`."""
        body = await request.json()
        if self.remember:
            self.counted.append(body)
        if self.tokenize_with is not None:
            return await self.tokenize_with()
        if self.tokenizer == "vllm" and "prompt" in body:
            return web.json_response({"count": len(body["prompt"]), "max_model_len": 8192})
        if self.tokenizer == "llama.cpp":
            return web.json_response({"tokens": list(range(len(body.get("content", ""))))})
        return web.json_response({"detail": "not here"}, status=404)

    async def models(self, _request: web.Request) -> web.StreamResponse:
        """Serve `/v1/models`."""
        return web.json_response({"object": "list", "data": [{"id": "peer", "object": "model"}]})

    async def _count(self, change: int) -> None:
        self.open += change
        self.most_open = max(self.most_open, self.open)
        async with self.changed:
            self.changed.notify_all()


@asynccontextmanager
async def open_peer(
    peer: ModelPeer | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[ModelPeer]:
    """Serve a peer; leaving the context stops it at once."""
    peer = peer or ModelPeer()
    app = web.Application(client_max_size=64 * 1_048_576)
    app.router.add_post("/v1/chat/completions", peer.chat)
    app.router.add_post("/tokenize", peer.tokenize)
    app.router.add_get("/v1/models", peer.models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        peer.url = f"http://{host}:{runner.addresses[0][1]}/v1"
        yield peer
    finally:
        await runner.cleanup()


async def serve(port: int, peer: ModelPeer) -> None:
    """Serve until cancelled."""
    async with open_peer(peer, port=port):
        sys.stdout.write(json.dumps({"url": peer.url}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one")
    parser.add_argument("--tokens", type=int, default=40, help="chunks of an answer")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="pause before each chunk")
    parser.add_argument("--tokenizer", choices=["vllm", "llama.cpp"], help="offer /tokenize")
    args = parser.parse_args()
    peer = ModelPeer(
        answer(args.tokens, args.delay_ms / 1000), tokenizer=args.tokenizer, remember=False
    )
    try:
        asyncio.run(serve(args.port, peer))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
