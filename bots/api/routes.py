"""`/v1/chat/completions` and `/v1/models`: a persona as a model, the whole pipeline behind it.

Answered in the process that got the request: its caller waits, and repeats by itself.
"""

import secrets
import time
from contextlib import aclosing

from aiohttp import web

from bots.api.errors import ApiError, in_openai_shape
from bots.api.events import (
    Completion,
    CompletionBody,
    finish_reason,
    history_of,
    instructions_of,
    parse_body,
)
from bots.api.keys import Keys
from core.ledger import Ledger
from core.messages import Address, Message
from core.metrics import Metrics
from core.personas import Personas, Voice
from core.pipeline import Pipeline
from core.redis import Store, run_effects
from core.replies import Delta, Done, Reply, Retract
from core.scene import Request
from core.turn import first_turn

CHANNEL = "api"


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

    async def complete(self, http: web.Request) -> web.StreamResponse:
        """Answer one question."""
        key = await self._keys.admit(http)
        body = parse_body(await http.read())
        voice = self._voice(body.model)
        request = _request(body, voice, key.name)
        self._metrics.accepted.labels(CHANNEL, "accepted").inc()
        completion = Completion(request.turn.id, body.model)
        if body.stream:
            return await self._stream(http, body, request, completion)
        reply = None
        async with aclosing(self._pipeline.answer(request)) as events:
            async for event in events:
                if isinstance(event, Done):
                    reply = event.reply
        if reply is None:
            raise ApiError(500)
        await self._settle(request, reply)
        return web.json_response(completion.whole(reply))

    async def _stream(
        self, http: web.Request, body: CompletionBody, request: Request, completion: Completion
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        shown, is_retracted = False, False
        async with aclosing(self._pipeline.answer(request)) as events:
            async for event in events:
                if not response.prepared:
                    await response.prepare(http)
                    await response.write(completion.chunk({"role": "assistant", "content": ""}))
                if isinstance(event, Retract):
                    is_retracted = True
                elif isinstance(event, Delta):
                    # A stream cannot take back: what replaces retracted text begins anew below it.
                    text = f"\n\n{event.text}" if is_retracted else event.text
                    shown, is_retracted = True, False
                    await response.write(completion.chunk({"content": text}))
                else:
                    if not shown or is_retracted:
                        text = f"\n\n{event.reply.text}" if shown else event.reply.text
                        await response.write(completion.chunk({"content": text}))
                    await self._settle(request, event.reply)
                    await self._end(response, body, completion, event.reply)
        return response

    async def _end(
        self,
        response: web.StreamResponse,
        body: CompletionBody,
        completion: Completion,
        reply: Reply,
    ) -> None:
        await response.write(completion.chunk({}, finish_reason(reply)))
        if body.stream_options.include_usage:
            await response.write(completion.usage_chunk(reply))
        await response.write(b"data: [DONE]\n\n")

    async def _settle(self, request: Request, reply: Reply) -> None:
        """Write memory and audit; before the answer's end, so that the next question finds them."""
        await run_effects(self._store, await self._ledger.close(request, reply))
        self._ledger.measure(request, reply)

    def _voice(self, name: str) -> Voice:
        voice = self._personas.find(name)
        if voice is None:
            raise ApiError(404, param="model")
        return voice

    def _model(self, identity: str) -> dict[str, str | int]:
        return {"id": identity, "object": "model", "created": self._started, "owned_by": "xiaoq"}


def _request(body: CompletionBody, voice: Voice, key_name: str) -> Request:
    identity = secrets.token_hex(12)
    chat = body.user or identity
    address = Address(CHANNEL, key_name, chat, chat, thread=voice.persona.id)
    message = Message(identity, address, body.messages[-1].text, time.time())
    return Request(
        first_turn([message]),
        voice=voice,
        history=None if body.user else history_of(body.messages),
        instructions=instructions_of(body.messages),
        is_limited=False,
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_completion_tokens or body.max_tokens,
    )
