"""What a callback has to prove before it is heard: signature, time, that it is new, and its seal.

401 for what was not signed with our token, 403 for what was but is stale, a replay or not sealed
for us; neither says why. A callback is remembered once it was acted on, and refused when exactly it
comes again. Not before: WeCom does not promise to sign its own repeats anew, and a process that was
killed in between would have the message refused. What two of them at once do, they do once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog
from aiohttp import web

from bots.http import error_response
from bots.wecom.crypto import ForgedError, Seal, SealError
from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Store

log = structlog.get_logger()

WINDOW_SECONDS = 300.0
"""A signature is good for so long before and after its time."""
BODY_SECONDS = 4.0
"""WeCom hangs up after five."""

Read = Callable[[bytes], str]
"""The sealed text in a body; raises ValueError."""
Take = Callable[[str], Awaitable[str]]
"""Acts on what was sealed and says the answer's body.

Raises SealError for what makes no sense although it was sealed."""


class Door:
    """Stands between the open network and one callback."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self.seal = seal

    async def verify(self, request: web.Request) -> web.Response:
        """Answer the question by which WeCom looks whether an address is ours; it waits 1 s."""
        try:
            echo = self._open(request.query, request.query.get("echostr", ""))
        except (ForgedError, SealError) as error:
            return _refuse(request, error)
        return web.Response(text=echo)

    async def receive(
        self, request: web.Request, read: Read, take: Take, content_type: str = "text/plain"
    ) -> web.Response:
        """Hear a callback; StoreUnavailableError (503) if it must come again."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return error_response(408)
        try:
            text = self._open(request.query, _sealed(read, body))
            await self._refuse_known(request.query)
            answer = await take(text)
        except (ForgedError, SealError) as error:
            return _refuse(request, error)
        await self._remember(request.query)
        return web.Response(text=answer, content_type=content_type)

    def _open(self, query: Mapping[str, str], sealed: str) -> str:
        timestamp = query.get("timestamp", "")
        signature, nonce = query.get("msg_signature", ""), query.get("nonce", "")
        self.seal.check(signature, timestamp, nonce, sealed)
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            raise SealError
        if abs(time.time() - int(timestamp)) > WINDOW_SECONDS:
            log.warning("stale callback refused; is the clock right?")
            raise SealError
        return self.seal.open(sealed)

    async def _refuse_known(self, query: Mapping[str, str]) -> None:
        """Raise SealError if exactly this was heard before."""
        try:
            is_known = await self._store.exists(_key(query))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        if is_known:
            raise SealError

    async def _remember(self, query: Mapping[str, str]) -> None:
        """Note that it was heard; it was, whatever becomes of the note."""
        with suppress(*UNAVAILABLE):
            await self._store.set(_key(query), "", ex=int(2 * WINDOW_SECONDS))


def _sealed(read: Read, body: bytes) -> str:
    try:
        return read(body)
    except ValueError:
        raise ForgedError from None


def _key(query: Mapping[str, str]) -> str:
    return f"xq:wecom:heard:{query.get('msg_signature', '')}"


def _refuse(request: web.Request, error: Exception) -> web.Response:
    status = 401 if isinstance(error, ForgedError) else 403
    log.warning("callback refused", path=request.path, status=status)
    return error_response(status)
