"""The page's files: read and packed once, sent whole only to browsers that have another version."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path

from aiohttp import ETag, web

NAME = re.compile(r"[A-Za-z0-9._/-]{1,200}")
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".md": "text/plain", "": "text/plain"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    changed: int
    """When the file was, in nanoseconds since 1970."""
    body: bytes
    packed: bytes
    content_type: str
    etag: str


class Assets:
    """Serves the files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._known: dict[Path, Asset] = {}

    async def serve(self, request: web.Request) -> web.Response:
        """A file, by its path below the folder."""
        asset = self._find(request.match_info["path"])
        if asset is None:
            raise web.HTTPNotFound
        # After an update all files fit together, because each is asked for anew.
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if any(tag.value == asset.etag for tag in request.if_none_match or ()):
            response = web.Response(status=304, headers=headers)
        elif "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            response = self._response(asset.packed, asset.content_type, headers)
        else:
            response = self._response(asset.body, asset.content_type, headers)
        response.etag = ETag(asset.etag, is_weak=True)
        return response

    def _response(self, body: bytes, content_type: str, headers: dict[str, str]) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    def _find(self, name: str) -> Asset | None:
        """The file as it is on disk now, or None where there is none."""
        if not NAME.fullmatch(name):
            return None
        path = (self._folder / name).resolve()
        if not (path.is_relative_to(self._folder) and path.is_file()):
            return None
        changed = path.stat().st_mtime_ns
        known = self._known.get(path)
        if known is None or known.changed != changed:
            known = self._known[path] = _load(path, changed)
        return known


def _load(path: Path, changed: int) -> Asset:
    body = path.read_bytes()
    guessed = TYPES.get(path.suffix) or guess_type(path.name)[0] or "text/plain"
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return Asset(changed, body, gzip.compress(body, mtime=0), guessed, etag)
