"""The HTTP door of a model server: OpenAI's routes, `/tokenize`, `/health` and `/metrics`."""

import asyncio
import functools
import json
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from aiohttp import web

from inference.jobs.job import Job
from inference.jobs.metrics import CONTENT_TYPE
from inference.serving.answers import AnswerStream, WholeAnswer
from inference.serving.chunks import ChatChunks, CompletionChunks
from inference.serving.direct import direct_sink
from inference.serving.errors import ApiError
from inference.serving.guard import STREAM, Guard
from inference.serving.keys import caller_of
from inference.serving.parts import Body
from inference.serving.preparing import count_tokens, prepare_chat, prepare_completion
from inference.serving.protocol import (
    ChatBody,
    CompletionBody,
    GenerationBody,
    TokenizeBody,
    parse,
)
from inference.serving.server import ModelServer

B = TypeVar("B", bound=Body)
T = TypeVar("T")

BODY_SECONDS = 30.0
STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class Routes:
    """Answers requests with what a model server says.

    `workers` parse bodies and encode prompts: both take milliseconds that the event loop has not.
    """

    def __init__(self, server: ModelServer, guard: Guard, workers: Executor) -> None:
        self._server = server
        self._guard = guard
        self._workers = workers
        self._started = int(time.time())

    def all(self) -> list[web.RouteDef]:
        """Where they are mounted."""
        guarded = self._guard.wrap
        return [
            web.post("/v1/chat/completions", guarded(self.chat)),
            web.post("/v1/completions", guarded(self.complete)),
            web.get("/v1/models", guarded(self.models)),
            web.get("/v1/models/{model}", guarded(self.model)),
            web.post("/tokenize", guarded(self.tokenize)),
            web.get("/health", self.health),
            web.get("/metrics", self.numbers),
            web.route("*", "/{path:.*}", guarded(self.nothing)),
        ]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat."""
        body, job = await self._read(request, ChatBody, self._prepare_chat)
        model = body.model or self._server.served.name
        has_tools = bool(body.callable_tools)
        if body.stream:
            answer = AnswerStream(
                ChatChunks(job.id, model),
                has_tools=has_tools,
                with_usage=body.stream_options.include_usage,
            )
            return await self._stream(request, body, job, answer)
        whole = await self._collect(request, body, job)
        return await self._in_json(
            functools.partial(
                whole.chat_body,
                job.id,
                model,
                has_tools=has_tools,
                with_logprobs=body.logprobs,
            )
        )

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Continue a text."""
        body, job = await self._read(request, CompletionBody, self._prepare_completion)
        model = body.model or self._server.served.name
        if body.stream:
            answer = AnswerStream(
                CompletionChunks(job.id, model),
                has_tools=False,
                with_usage=body.stream_options.include_usage,
            )
            return await self._stream(request, body, job, answer)
        whole = await self._collect(request, body, job)
        with_logprobs = body.logprobs is not None
        return await self._in_json(
            functools.partial(whole.completion_body, job.id, model, with_logprobs=with_logprobs)
        )

    async def tokenize(self, request: web.Request) -> web.Response:
        """Count tokens, as vLLM does."""

        served = self._server.served

        def count(body: TokenizeBody) -> dict[str, object]:
            tokens = count_tokens(served, body)
            return {
                "count": len(tokens),
                "max_model_len": served.facts.context_tokens,
                "tokens": tokens,
            }

        _, counted = await self._read(request, TokenizeBody, count)
        return await self._in_json(lambda: counted)

    async def models(self, _: web.Request) -> web.Response:
        """The model, alone and with each of its adapters."""
        data = [self._describe(name) for name in self._server.served.models]
        return web.json_response({"object": "list", "data": data})

    async def model(self, request: web.Request) -> web.Response:
        """One of them."""
        name = request.match_info["model"]
        self._server.served.adapter_of(name)
        return web.json_response(self._describe(name))

    async def nothing(self, request: web.Request) -> web.Response:
        """What OpenAI has and this server has not."""
        raise ApiError(404, f"Nothing answers to {request.method} here.")

    async def health(self, _: web.Request) -> web.Response:
        """How the engine is; 200 only when it is ready."""
        health = self._server.health
        status = 200 if health.state == "ready" else 503
        return web.json_response(text=health.model_dump_json(), status=status)

    async def numbers(self, _: web.Request) -> web.Response:
        """All metrics."""
        return web.Response(
            body=self._server.metrics.render(), headers={"Content-Type": CONTENT_TYPE}
        )

    def _prepare_chat(self, body: ChatBody) -> Job:
        return prepare_chat(self._server.served, body)

    def _prepare_completion(self, body: CompletionBody) -> Job:
        return prepare_completion(self._server.served, body)

    async def _read(
        self, request: web.Request, kind: type[B], prepare: Callable[[B], T]
    ) -> tuple[B, T]:
        """Read a body and make of it what is asked for, away from the event loop."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                raw = await request.read()
        except TimeoutError:
            raise ApiError(408, "The body did not come in time.") from None

        def work() -> tuple[B, T]:
            body = parse(kind, raw)
            return body, prepare(body)

        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def _in_json(self, build: Callable[[], dict[str, object]]) -> web.Response:
        """Write a body down, away from the event loop: log probabilities are long."""
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(
            self._workers, lambda: json.dumps(build(), ensure_ascii=False)
        )
        return web.json_response(text=text)

    async def _stream(
        self, request: web.Request, body: GenerationBody, job: Job, answer: AnswerStream
    ) -> web.StreamResponse:
        """Write events as they come.

        The status leaves with the first of them: until then a caller can go elsewhere.
        """
        response = web.StreamResponse(headers=STREAM_HEADERS)
        async with self._server.generate(job, caller_of(request, body.user)) as stream:
            while not stream.is_complete:
                if not (data := answer.write(await stream.read())):
                    continue
                if not response.prepared:
                    await response.prepare(request)
                    request[STREAM] = response
                await response.write(data)
                if (sink := direct_sink(request, answer)) is not None:
                    await stream.pour(sink)
        return response

    async def _collect(self, request: web.Request, body: GenerationBody, job: Job) -> WholeAnswer:
        answer = WholeAnswer()
        async with self._server.generate(job, caller_of(request, body.user)) as stream:
            while not stream.is_complete:
                answer.read(await stream.read())
        return answer

    def _describe(self, name: str) -> dict[str, str | int]:
        context = self._server.served.facts.context_tokens
        return {
            "id": name,
            "object": "model",
            "created": self._started,
            "owned_by": "xiaoq",
            "max_model_len": context,
        }
