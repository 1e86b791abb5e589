"""Files come in: bounded in size, time and number before a byte of them is looked at."""

import asyncio

from aiohttp import web

from bots.http import error_response
from bots.web.access import BYTES, Access
from bots.web.conversations import HOME, Conversations
from bots.web.doors import BUSY_SECONDS, address_of, bucket
from bots.web.files import Files, clean_name
from bots.web.words import TOO_LARGE, UNREADABLE, our_language
from core.files.kinds import Reason, UnreadableError
from core.files.reader import BusyError, FileReader
from core.limits import Limiter
from core.messages import Address

CHUNK_BYTES = 65_536
BODY_SECONDS = 60.0
MOST_OPEN = 16
"""Files of all visitors that may be on their way at a time."""
PER_MINUTE, BURST = 10, 10
"""Files of one visitor."""
NOT_TAKEN = {Reason.IMAGE, Reason.UNKNOWN}
"""Kinds that are not read at all: 415; what is broken of the other kinds: 422."""


class TooLargeError(Exception):
    """The file is larger than may be; answer 413."""


class UploadDoors:
    """Takes in files."""

    def __init__(
        self,
        *,
        access: Access,
        conversations: Conversations,
        files: Files,
        reader: FileReader,
        limiter: Limiter,
        most_bytes: int,
    ) -> None:
        """`most_bytes` is the size of the largest file that is taken; 0 takes none."""
        self._access = access
        self._conversations = conversations
        self._files = files
        self._reader = reader
        self._limiter = limiter
        self._most_bytes = most_bytes
        self._open = 0

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where they are mounted."""
        return [web.post("/web/{account}/files", self.file)]

    async def file(self, request: web.Request) -> web.Response:
        """Read a file and keep its text for a message."""
        caller = self._access.writer(request, BYTES)
        if not (caller.persona.card.page.files and self._most_bytes):
            raise web.HTTPNotFound
        conversation = request.query.get("conversation", HOME)
        address = address_of(self._conversations, caller, conversation)
        name = bucket("files", caller.visitor)
        if wait := await self._limiter.wait_seconds(name, PER_MINUTE, BURST):
            return error_response(429, headers={"Retry-After": str(int(wait) + 1)})
        if self._open >= MOST_OPEN:
            return error_response(503, headers={"Retry-After": BUSY_SECONDS})
        self._open += 1
        try:
            return await self._take(request, address)
        finally:
            self._open -= 1

    async def _take(self, request: web.Request, address: Address) -> web.Response:
        language = our_language(request.headers.get("Accept-Language", ""))
        try:
            async with asyncio.timeout(BODY_SECONDS):
                content = await self._content(request)
        except TooLargeError:
            megabytes = self._most_bytes // 1_048_576
            return error_response(413, TOO_LARGE[language].format(megabytes=megabytes))
        except TimeoutError:
            return error_response(408)
        try:
            reading = await self._reader.read(content)
        except UnreadableError as error:
            status = 415 if error.reason in NOT_TAKEN else 422
            return error_response(status, UNREADABLE[error.reason][language])
        except BusyError:
            return error_response(503, headers={"Retry-After": BUSY_SECONDS})
        name = clean_name(request.query.get("name", ""))
        file = await self._files.keep(address, name, len(content), reading)
        body = {
            "id": file.id,
            "name": name,
            "kind": file.kind,
            "bytes": file.size,
            "characters": len(reading.text),
            "is_cut": reading.is_cut,
        }
        return web.json_response(body, status=201)

    async def _content(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > self._most_bytes:
            raise TooLargeError
        chunks, size = [], 0
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > self._most_bytes:
                raise TooLargeError
            chunks.append(chunk)
        return b"".join(chunks)
