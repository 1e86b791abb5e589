"""What all doors of the page do first: read the body, find the conversation."""

import hashlib
from typing import TypeVar

from aiohttp import web

from bots.web.access import Caller
from bots.web.bodies import BadBodyError, Body, parse
from bots.web.conversations import Conversations, UnknownConversationError
from core.messages import Address

B = TypeVar("B", bound=Body)
BUSY_SECONDS = "5"
NOT_STORED = {"Cache-Control": "no-store"}


def bucket(kind: str, visitor: str) -> str:
    """Names what a visitor may do only so often, over all its conversations."""
    return hashlib.blake2b(f"{kind}/{visitor}".encode(), digest_size=12).hexdigest()


async def body_of(request: web.Request, kind: type[B]) -> B:
    """The body of a request; raises HTTPBadRequest."""
    try:
        return parse(kind, await request.read())
    except BadBodyError:
        raise web.HTTPBadRequest from None


def address_of(conversations: Conversations, caller: Caller, name: str) -> Address:
    """Where one of the caller's conversations lives; raises HTTPNotFound."""
    try:
        return conversations.address(caller.account, caller.visitor, name)
    except UnknownConversationError:
        raise web.HTTPNotFound from None
