"""The page's doors: the page itself, its greeting, messages in, events out."""

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bots.http import error_response
from bots.web.events import (
    CHANNEL,
    EVENT_ID,
    TEXT_LIMIT,
    BadMessageError,
    LongMessageError,
    emit,
    parse_message,
    question_event,
    stream_key,
)
from bots.web.news import Entry, News, Reader, TooManyPagesError
from bots.web.visitors import Visitors
from config.persona import Persona
from config.settings import WebSettings
from core.errors import StoreUnavailableError
from core.inbox import Inbox, Receipt
from core.language import detect_language
from core.messages import Address, Message
from core.metrics import Metrics
from core.personas import Personas
from core.redis import UNAVAILABLE, Store

log = structlog.get_logger()

MAIN = "main"
"""The account of the page at `/`."""
PAGE = Path(str(files("bots.web"))) / "page"
KEEP_ALIVE_SECONDS = 15.0
EVENTS_AT_ONCE = 200
BUSY_SECONDS = "5"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EVENT_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class WebRoutes:
    """What browsers ask for."""

    def __init__(  # noqa: PLR0913 - a door knows the parts behind it
        self,
        *,
        store: Store,
        inbox: Inbox,
        personas: Personas,
        visitors: Visitors,
        news: News,
        metrics: Metrics,
        settings: WebSettings,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._personas = personas
        self._visitors = visitors
        self._news = news
        self._metrics = metrics
        self._history_hours = settings.history_hours
        self._html = (PAGE / "index.html").read_text("utf-8")

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where they are mounted."""
        return [
            web.get("/", self.page),
            web.get("/chat/{account}", self.page),
            web.get("/web/{account}/hello", self.hello),
            web.post("/web/{account}/messages", self.message),
            web.get("/web/{account}/events", self.events),
            web.static("/static", PAGE),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The chat page of an account."""
        account = request.match_info.get("account", MAIN)
        self._persona(account)
        html = self._html.replace("{{account}}", account)
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-cache"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def hello(self, request: web.Request) -> web.Response:
        """Who answers here; a new visitor gets a cookie."""
        card = self._persona(request.match_info["account"]).card
        response = web.json_response(
            {
                "name": card.name,
                "greeting": card.greeting,
                "suggestions": card.suggestions,
                "max_characters": TEXT_LIMIT,
            },
            headers={"Cache-Control": "no-store"},
        )
        if self._visitors.recognise(request) is None:
            self._visitors.welcome(response)
        return response

    async def message(self, request: web.Request) -> web.Response:
        """Accept a message; safe to repeat with the same id."""
        persona = self._persona(request.match_info["account"])
        visitor = self._visitor(request)
        _check_same_origin(request)
        try:
            body = json.loads(await request.read())
            message = parse_message(body, request.match_info["account"], visitor)
        except (ValueError, RecursionError, BadMessageError):
            return error_response(400)
        except LongMessageError:
            return error_response(413)
        receipt = await self._accept(message)
        self._metrics.accepted.labels(CHANNEL, receipt.value).inc()
        if receipt in (Receipt.ACCEPTED, Receipt.DUPLICATE):
            log.debug("message accepted", message=message.digest, receipt=receipt.value)
            return web.json_response({}, status=202)
        language = detect_language(message.text, persona.languages, None)
        status = 429 if receipt is Receipt.LANE_FULL else 503
        log.warning("message turned away", message=message.digest, receipt=receipt.value)
        return error_response(
            status, persona.sentence("busy", language), {"Retry-After": BUSY_SECONDS}
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The conversation's events since the last one seen, then whatever comes."""
        self._persona(request.match_info["account"])
        visitor = self._visitor(request)
        last = request.headers.get("Last-Event-ID", "0-0")
        if not EVENT_ID.fullmatch(last):
            return error_response(400)
        conversation = Address(CHANNEL, request.match_info["account"], visitor, visitor).key
        try:
            with self._news.follow(conversation) as reader:
                return await self._stream(request, conversation, last, reader)
        except TooManyPagesError:
            return error_response(429, headers={"Retry-After": BUSY_SECONDS})

    async def _accept(self, message: Message) -> Receipt:
        conversation = message.address.key
        effects = emit(
            self._inbox.partition(conversation),
            conversation,
            [question_event(message)],
            self._history_hours,
        )
        return await self._inbox.accept(message, effects)

    async def _stream(
        self, request: web.Request, conversation: str, last: str, reader: Reader
    ) -> web.StreamResponse:
        key = stream_key(self._inbox.partition(conversation), conversation)
        response = web.StreamResponse(headers=EVENT_HEADERS)
        entries = await self._next(key, last, reader)
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        while not self._news.is_closing:
            if entries:
                lines = [f"id: {entry}\ndata: {event}\n\n" for entry, event in entries]
                await response.write("".join(lines).encode())
                last = entries[-1][0]
            if not reader.has_gap:
                await self._wait(response, reader)
            try:
                entries = await self._next(key, last, reader)
            except StoreUnavailableError:
                break  # the page connects again and is told 503
        return response

    async def _wait(self, response: web.StreamResponse, reader: Reader) -> None:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                await reader.wait()
        except TimeoutError:
            reader.miss()
            await response.write(b": keep-alive\n\n")

    async def _next(self, key: str, last: str, reader: Reader) -> list[Entry]:
        """The events after `last`: those heard, or those in the stream where some may be missed."""
        has_gap = reader.has_gap
        heard = reader.take()
        if not has_gap:
            return [entry for entry in heard if _order(entry[0]) > _order(last)]
        try:
            found: Any = await self._store.xrange(key, min=f"({last}", count=EVENTS_AT_ONCE)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        if len(found) == EVENTS_AT_ONCE:
            reader.miss()
        return [(entry, fields["event"]) for entry, fields in found]

    def _persona(self, account: str) -> Persona:
        """Who serves the account; an account nobody names is not there."""
        persona = self._personas.route(Address(CHANNEL, account, "", "")).persona
        is_named = f"{CHANNEL}:{account}" in persona.card.channels
        if account != MAIN and not is_named:
            raise web.HTTPNotFound
        return persona

    def _visitor(self, request: web.Request) -> str:
        visitor = self._visitors.recognise(request)
        if visitor is None:
            raise web.HTTPUnauthorized
        return visitor


def _order(entry: str) -> tuple[int, ...]:
    """Where an event stands in its stream."""
    return tuple(int(part) for part in entry.split("-"))


def _check_same_origin(request: web.Request) -> None:
    """Refuse posts that another site's page makes a browser send."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden
    if request.content_type != "application/json":
        raise web.HTTPBadRequest
