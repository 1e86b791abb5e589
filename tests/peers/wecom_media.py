"""Files of WeCom: uploads as the receiver will see them, downloads, and what is refused.

Path 90253 of https://developer.work.weixin.qq.com/document.
"""

import re
from urllib.parse import quote

from aiohttp import BodyPartReader, web
from peers.wecom_corps import Corp
from peers.wecom_wire import Body, RefusedError, invalid

MEGABYTE = 1_048_576
MOST_BYTES = {
    "image": 10 * MEGABYTE,
    "voice": 2 * MEGABYTE,
    "video": 10 * MEGABYTE,
    "file": 20 * MEGABYTE,
}
LEAST_BYTES = 6
MAGIC = {"image": (b"\xff\xd8\xff", b"\x89PNG"), "voice": (b"#!AMR",)}
FILENAME = re.compile(r'filename="((?:[^"\\]|\\.)*)"')


async def upload(corp: Corp, request: web.Request) -> Body:
    """Keep what is uploaded."""
    kind = request.query.get("type", "")
    if kind not in MOST_BYTES:
        raise RefusedError(40005, "invalid media type")
    part = await _media_part(request)
    name, data = shown_name(part), bytes(await part.read())
    if len(data) < LEAST_BYTES:
        raise RefusedError(40006, "invalid file size")
    if len(data) > MOST_BYTES[kind]:
        raise RefusedError(45001, "media file size out of limit")
    if not data.startswith(MAGIC.get(kind, (b"",))):
        raise RefusedError(40004, "invalid media type")
    media_id = corp.keep(kind, name, data)
    return {"type": kind, "media_id": media_id, "created_at": str(int(corp.clock.now()))}


def download(corp: Corp, media_id: str) -> web.Response:
    """Return the bytes of a file."""
    media = corp.find_media(media_id)
    kind = "image/jpeg" if media.kind == "image" else "application/octet-stream"
    headers = {"Content-Disposition": f'attachment; filename="{quote(media.filename)}"'}
    return web.Response(body=media.data, content_type=kind, headers=headers)


async def _media_part(request: web.Request) -> BodyPartReader:
    if request.content_type != "multipart/form-data":
        raise RefusedError(41005, "media data missing")
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "media":
            return part
    raise RefusedError(41005, "media data missing")


def shown_name(part: BodyPartReader) -> str:
    """Return the filename as WeCom reads it: literally, with no percent-encoding undone."""
    raw = part.headers.get("Content-Disposition", "")
    found = FILENAME.search(raw)
    if found is None or not found[1]:
        raise invalid("missing filename")
    return found[1]
