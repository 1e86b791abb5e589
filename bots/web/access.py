"""Who asks, from which page, and whether that is allowed.

A page of this server is known by the cookie or by a token. A page of a site that the persona allows
is known by its token alone: what its visitor's browser adds by itself proves nothing there.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from bots.http import SHARED_WITH
from bots.web.events import CHANNEL
from bots.web.visitors import Visitors
from config.persona import Persona
from core.messages import Address
from core.personas import Personas

MAIN = "main"
"""The account of the page at `/`."""
JSON = "application/json"
BYTES = "application/octet-stream"
PREFLIGHT_SECONDS = "600"


@dataclass(frozen=True, slots=True)
class Caller:
    """A visitor of an account's page."""

    account: str
    persona: Persona
    visitor: str


class Access:
    """Lets in who may come in."""

    def __init__(self, personas: Personas, visitors: Visitors) -> None:
        self._personas = personas
        self._visitors = visitors

    def persona(self, request: web.Request) -> Persona:
        """Who serves the page's account; an account nobody names is not there."""
        account = request.match_info.get("account", MAIN)
        persona = self._personas.route(Address(CHANNEL, account, "", "")).persona
        is_named = f"{CHANNEL}:{account}" in persona.card.channels
        if account != MAIN and not is_named:
            raise web.HTTPNotFound
        return persona

    def visitor(self, request: web.Request, persona: Persona) -> str | None:
        """The visitor who asks, or None for a new one; raises HTTPForbidden for alien pages."""
        is_own = self._check_origin(request, persona)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token or not is_own:
            return self._visitors.verify(token)
        return self._visitors.recognise(request)

    def reader(self, request: web.Request) -> Caller:
        """Who wants to see something of theirs; raises HTTPUnauthorized for strangers."""
        persona = self.persona(request)
        visitor = self.visitor(request, persona)
        if visitor is None:
            raise web.HTTPUnauthorized
        return Caller(request.match_info["account"], persona, visitor)

    def writer(self, request: web.Request, content_type: str = JSON) -> Caller:
        """Who wants to change something; forms of other sites cannot send these types."""
        caller = self.reader(request)
        if request.content_type != content_type:
            raise web.HTTPBadRequest
        return caller

    async def preflight(self, request: web.Request) -> web.Response:
        """Tell a browser whether a page of another site may ask."""
        self._check_origin(request, self.persona(request))
        headers = {
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        }
        return web.Response(status=204, headers=headers)

    def _check_origin(self, request: web.Request, persona: Persona) -> bool:
        """Whether a page of this server asks; raises HTTPForbidden for pages not allowed."""
        origin = request.headers.get("Origin")
        if origin is None or urlsplit(origin).netloc == request.host:
            return True
        if origin not in persona.card.page.origins:
            raise web.HTTPForbidden
        request[SHARED_WITH] = origin
        return False
