"""`/v1/chat/completions` and `/v1/models`: a persona as a model, the whole pipeline behind it.

Answered in the process that got the request: its caller waits, and repeats by itself.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from bots.api.body import CompletionBody, parse_body
from bots.api.errors import STREAM, ApiError, in_openai_shape
from bots.api.events import END, Completion
from bots.api.keys import Keys
from core.enclosures import Enclosures
from core.ledger import Ledger
from core.messages import Address, Message
from core.metrics import Metrics
from core.personas import Personas
from core.pipeline import Pipeline
from core.redis import Store, run_effects
from core.replies import Delta, Done, Reply, ReplyEvent, Retract
from core.scene import Background, Request
from core.turn import first_turn
from core.voice import Voice

CHANNEL = "api"
STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class ApiRoutes:
    """The OpenAI-compatible door."""

    def __init__(
        self,
        *,
        keys: Keys,
        personas: Personas,
        pipeline: Pipeline,
        ledger: Ledger,
        store: Store,
        metrics: Metrics,
    ) -> None:
        self._keys = keys
        self._personas = personas
        self._pipeline = pipeline
        self._ledger = ledger
        self._store = store
        self._metrics = metrics
        self._started = int(time.time())

    def routes(self) -> list[web.RouteDef]:
        """Where they are mounted."""
        return [
            web.post("/v1/chat/completions", in_openai_shape(self.complete)),
            web.get("/v1/models", in_openai_shape(self.models)),
            web.get("/v1/models/{model}", in_openai_shape(self.model)),
            web.route("*", "/v1/{path:.*}", in_openai_shape(self.nothing)),
        ]

    async def models(self, request: web.Request) -> web.Response:
        """All personas."""
        await self._keys.admit(request)
        data = [self._model(voice.persona.id) for voice in self._personas.voices]
        return web.json_response({"object": "list", "data": data})

    async def model(self, request: web.Request) -> web.Response:
        """One persona."""
        await self._keys.admit(request)
        return web.json_response(self._model(self._voice(request.match_info["model"]).persona.id))

    async def nothing(self, request: web.Request) -> web.Response:
        """What OpenAI has and XiaoQ has not; known only to those who may ask."""
        await self._keys.admit(request)
        raise ApiError(404, f"Nothing answers to {request.method} here.")

    async def complete(self, http: web.Request) -> web.StreamResponse:
        """Answer one question."""
        key = await self._keys.admit(http)
        body = parse_body(await http.read())
        request = await self._request(body, self._voice(body.model), key.name)
        self._metrics.accepted.labels(CHANNEL, "accepted").inc()
        completion = Completion(request.turn.id, body.model)
        async with aclosing(self._answer(request)) as events:
            if body.stream:
                return await _stream(http, events, completion, body.stream_options.include_usage)
            reply = [event.reply async for event in events if isinstance(event, Done)][-1]
            return web.json_response(completion.whole(reply))

    async def _answer(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """The answer's events; memory and audit are written before its end is told."""
        has_spoken = has_ended = False
        try:
            async with aclosing(self._pipeline.answer(request)) as events:
                async for event in events:
                    if not has_spoken and isinstance(event, Delta | Done):
                        has_spoken = True
                        waited = time.time() - request.turn.messages[0].received_at
                        self._metrics.first_text.labels(CHANNEL).observe(max(0.0, waited))
                    if isinstance(event, Done):
                        has_ended = True
                        await self._close(request, event.reply)
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            if not has_ended:
                await self._close(request, self._pipeline.abandoned(request))
            raise

    async def _close(self, request: Request, reply: Reply) -> None:
        await run_effects(self._store, await self._ledger.close(request, reply))
        self._ledger.measure(request, reply)

    async def _request(self, body: CompletionBody, voice: Voice, key_name: str) -> Request:
        """What the pipeline is asked; without a `user` there is nobody to remember."""
        identity = secrets.token_hex(12)
        chat = body.user or identity
        address = Address(CHANNEL, key_name, chat, chat, thread=voice.persona.id)
        message = Message(identity, address, body.question, time.time())
        history = await self._pipeline.recall(address.key) if body.user else body.history
        return Request(
            first_turn([message]),
            Background(history),
            Enclosures(sampling=body.sampling),
            voice=voice,
            remembers=body.user is not None,
            instructions=body.instructions,
        )

    def _voice(self, name: str) -> Voice:
        voice = self._personas.find(name)
        if voice is None:
            text = f"The model '{name}' does not exist."
            raise ApiError(404, text, code="model_not_found", param="model")
        return voice

    def _model(self, identity: str) -> dict[str, str | int]:
        return {"id": identity, "object": "model", "created": self._started, "owned_by": "xiaoq"}


async def _stream(
    http: web.Request,
    events: AsyncGenerator[ReplyEvent, None],
    completion: Completion,
    with_usage: bool,
) -> web.StreamResponse:
    """Write events as they come.

    A stream cannot take back: what replaces retracted text begins anew below it.
    """
    response = web.StreamResponse(headers=STREAM_HEADERS)
    shown, gap = False, ""
    async for event in events:
        if not response.prepared:
            await response.prepare(http)
            http[STREAM] = response
            await response.write(completion.opening())
        if isinstance(event, Retract):
            shown, gap = False, "\n\n" if shown else gap
        elif isinstance(event, Delta):
            await response.write(completion.piece(gap + event.text))
            shown, gap = True, ""
        else:
            if not shown:
                await response.write(completion.piece(gap + event.reply.text))
            await response.write(completion.ending(event.reply))
            if with_usage:
                await response.write(completion.usage(event.reply))
            await response.write(END)
    return response
