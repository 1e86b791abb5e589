"""The page itself, its greeting, and its files."""

import re
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from bots.web.access import MAIN, Access
from bots.web.assets import Assets
from bots.web.bodies import MOST_FILES, TEXT_LIMIT
from bots.web.doors import NOT_STORED
from bots.web.visitors import Visitors
from bots.web.words import our_language
from config.persona import Persona

PAGE = Path(str(files("bots.web"))) / "page"
FILE_ENDINGS = ".txt,.md,.pdf,.docx"
SPOT = re.compile(r"\{\{(\w+)\}\}")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {}"
)


class PageDoors:
    """What a browser asks for first."""

    def __init__(self, access: Access, visitors: Visitors, most_bytes: int) -> None:
        """`most_bytes` is the size of the largest file that is taken; 0 takes none."""
        self._access = access
        self._visitors = visitors
        self._most_bytes = most_bytes
        self._assets = Assets(PAGE)
        self._html = (PAGE / "index.html").read_text("utf-8")

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where they are mounted."""
        return [
            web.get("/", self.page),
            web.get("/chat/{account}", self.page),
            web.get("/web/{account}/hello", self.hello),
            web.options("/web/{account}/{rest:.*}", self._access.preflight),
            *self._assets.routes(),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The chat page of an account; the persona's allowed origins may frame it."""
        card = self._access.persona(request).card
        origins = card.page.origins
        filled = {
            "account": request.match_info.get("account", MAIN),
            "language": our_language(request.headers.get("Accept-Language", "")),
            "name": escape(card.name),
            "static": f"/static/{self._assets.version}",
        }
        html = SPOT.sub(lambda spot: filled[spot[1]], self._html)
        framed_by = " ".join(["'self'", *origins])
        headers = {
            "Content-Security-Policy": CONTENT_POLICY.format(framed_by),
            "Cache-Control": "no-cache",
        }
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def hello(self, request: web.Request) -> web.Response:
        """Who answers here; a new visitor gets a cookie, or a token if that is asked for."""
        persona = self._access.persona(request)
        visitor = self._access.visitor(request, persona)
        greeting = self._greeting(persona)
        if "token" in request.query:
            is_known = "Authorization" in request.headers and visitor
            greeting["token"] = self._visitors.token(visitor if is_known and visitor else "")
        response = web.json_response(greeting, headers=NOT_STORED)
        if visitor is None and "token" not in request.query:
            self._visitors.welcome(response)
        return response

    def _greeting(self, persona: Persona) -> dict[str, Any]:
        card = persona.card
        takes_files = card.page.files and self._most_bytes
        return {
            "name": card.name,
            "greeting": card.greeting,
            "suggestions": card.suggestions,
            "max_characters": TEXT_LIMIT,
            "theme": card.page.theme.model_dump(),
            "sampling": card.sampling.model_dump() if card.page.sampling else None,
            "files": {"max_bytes": self._most_bytes, "most": MOST_FILES, "accept": FILE_ENDINGS}
            if takes_files
            else None,
        }
