"""Files of WeCom: what people sent comes down, what is to be sent goes up.

A media id is good for three days (developer.work.weixin.qq.com/document/path/90253, 90254).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

import aiohttp

from bots.wecom.api import CALL_SECONDS, WeComApi
from bots.wecom.errors import ApiError, AwayError, RefusedError, TokenError
from core.enclosures import DOCUMENT_BYTES, Document, Enclosures, read_document
from core.messages import Attachment

Kind = Literal["image", "voice", "video", "file"]

MIB = 1 << 20
MOST_BYTES: dict[Kind, int] = {
    "image": 10 * MIB,
    "voice": 2 * MIB,
    "video": 10 * MIB,
    "file": 20 * MIB,
}
LEAST_BYTES = 6
TRANSFER_SECONDS = 60.0
FETCH_SECONDS = 15.0
MOST_DOCUMENTS = 5
"""Text files of one turn that are fetched."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that came down."""

    name: str
    content: bytes


async def upload(api: WeComApi, kind: Kind, name: str, content: bytes) -> str:
    """Bring a file up and return its media id; people see the name. Raises ApiError.

    Repeated only where the token was refused, with the whole file again.
    """
    if not LEAST_BYTES <= len(content) <= MOST_BYTES[kind]:
        raise RefusedError(f"media/upload: {len(content)} bytes are too few or too many")
    token = await api.token()
    try:
        return await _upload(api, token, kind, name, content)
    except TokenError:
        return await _upload(api, await api.renewed(token), kind, name, content)


async def _upload(api: WeComApi, token: str, kind: Kind, name: str, content: bytes) -> str:
    # Quoted, a Chinese name would be shown with its percent signs.
    form = aiohttp.FormData(quote_fields=False, charset="utf-8")
    form.add_field("media", content, filename=name, content_type="application/octet-stream")
    try:
        async with (
            asyncio.timeout(TRANSFER_SECONDS),
            api.session.post(
                f"{api.base}media/upload",
                params={"access_token": token, "type": kind},
                data=form,
                allow_redirects=False,
            ) as response,
        ):
            answer = api.judge("media/upload", response, await response.read())
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise AwayError(f"media/upload: {type(error).__name__}") from None
    return str(answer.get("media_id", ""))


async def download(api: WeComApi, media_id: str, most_bytes: int) -> File | None:
    """Bring a file down; None if it is larger than `most_bytes`. Raises ApiError."""
    token = await api.token()
    try:
        return await _download(api, token, media_id, most_bytes)
    except TokenError:
        return await _download(api, await api.renewed(token), media_id, most_bytes)


async def _download(api: WeComApi, token: str, media_id: str, most_bytes: int) -> File | None:
    try:
        async with (
            asyncio.timeout(CALL_SECONDS),
            api.session.get(
                f"{api.base}media/get",
                params={"access_token": token, "media_id": media_id},
                allow_redirects=False,
            ) as response,
        ):
            # What went wrong is told in JSON under the same status as a file.
            if response.status != 200 or not response.content_disposition:
                api.judge("media/get", response, await response.content.read(most_bytes))
                return None
            content = bytearray()
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > most_bytes:
                    return None
            name = unquote(response.content_disposition.filename or "")
            return File(name, bytes(content))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise AwayError(f"media/get: {type(error).__name__}") from None


async def read_files(api: WeComApi, files: Sequence[Attachment]) -> Enclosures:
    """Text files of a turn; everything else counts as unread."""
    readable = [file for file in files if file.kind == "document"][:MOST_DOCUMENTS]
    found = await asyncio.gather(*(_read(api, file) for file in readable))
    documents = tuple(document for document in found if document)
    return Enclosures(documents, len(files) - len(documents))


async def _read(api: WeComApi, file: Attachment) -> Document | None:
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            fetched = await download(api, file.id, DOCUMENT_BYTES)
    except (ApiError, TimeoutError):
        return None
    return read_document(file.name or fetched.name, fetched.content) if fetched else None
