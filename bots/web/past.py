"""What was said: the stream of events, the list of conversations, and a conversation as a file."""

from dataclasses import asdict

from aiohttp import web

from bots.http import error_response
from bots.web.access import Access, Caller
from bots.web.conversations import HOME, Conversations
from bots.web.doors import BUSY_SECONDS, NOT_STORED, address_of
from bots.web.news import TooManyPagesError
from bots.web.stream import BEGINNING, EVENT_ID, EventStreams
from bots.web.transcript import as_json, as_markdown, exchanges
from bots.web.words import CUSTOMER, our_language
from core.messages import Address


class PastDoors:
    """Shows visitors their conversations."""

    def __init__(self, access: Access, conversations: Conversations, streams: EventStreams) -> None:
        self._access = access
        self._conversations = conversations
        self._streams = streams

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where they are mounted."""
        return [
            web.get("/web/{account}/events", self.events),
            web.get("/web/{account}/conversations", self.list),
            web.post("/web/{account}/conversations", self.begin),
            web.delete("/web/{account}/conversations/{conversation}", self.remove),
            web.get("/web/{account}/export", self.export),
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The conversation's events since the last one seen, then whatever comes."""
        address = self._asked_for(request, self._access.reader(request))
        last = request.headers.get("Last-Event-ID", BEGINNING)
        if not EVENT_ID.fullmatch(last):
            return error_response(400)
        try:
            return await self._streams.serve(request, address.key, last)
        except TooManyPagesError:
            return error_response(429, headers={"Retry-After": BUSY_SECONDS})

    async def list(self, request: web.Request) -> web.Response:
        """The visitor's conversations, the newest first."""
        caller = self._access.reader(request)
        found = await self._conversations.listed(caller.account, caller.visitor)
        body = {"conversations": [asdict(summary) for summary in found]}
        return web.json_response(body, headers=NOT_STORED)

    async def begin(self, request: web.Request) -> web.Response:
        """Name a new conversation."""
        caller = self._access.writer(request)
        name = self._conversations.issue(caller.account, caller.visitor)
        return web.json_response({"id": name}, status=201)

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a conversation for good."""
        caller = self._access.writer(request)
        address = address_of(self._conversations, caller, request.match_info["conversation"])
        if not await self._conversations.remove(address):
            return error_response(409)
        return web.Response(status=204)

    async def export(self, request: web.Request) -> web.Response:
        """A conversation as a file to keep."""
        caller = self._access.reader(request)
        address = self._asked_for(request, caller)
        said = exchanges(await self._streams.past(address.key))
        name = caller.persona.card.name
        match request.query.get("format", "markdown"):
            case "json":
                return _file(as_json(name, said), "application/json", "json")
            case "markdown":
                language = our_language(request.headers.get("Accept-Language", ""))
                text = as_markdown(name, CUSTOMER[language], said)
                return _file(text.encode(), "text/markdown", "md")
        return error_response(400)

    def _asked_for(self, request: web.Request, caller: Caller) -> Address:
        return address_of(self._conversations, caller, request.query.get("conversation", HOME))


def _file(body: bytes, content_type: str, ending: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="conversation.{ending}"'}
    return web.Response(
        body=body, content_type=content_type, charset="utf-8", headers=headers | NOT_STORED
    )
