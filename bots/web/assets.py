"""The page's files: read and packed once, at the start, so that they always fit together.

Below an address that carries their version browsers keep them for good; a new version has a new
address. Without it, or with the version of another gateway, they are asked for anew each time.
"""

import gzip
import hashlib
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path

from aiohttp import ETag, web

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".md": "text/plain", "": "text/plain"}
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_ANEW = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    packed: bytes
    content_type: str
    etag: str


class Assets:
    """Serves the files below a folder."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self._known = {path.relative_to(folder).as_posix(): _load(path) for path in paths}
        named = "\n".join(f"{name} {asset.etag}" for name, asset in self._known.items())
        self.version = _digest(named.encode())
        """Of all files together: 16 hexadecimal digits."""

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where they are mounted."""
        return [
            web.get("/static/{version:[0-9a-f]{16}}/{path:.+}", self.serve),
            web.get("/static/{path:.+}", self.serve),
        ]

    async def serve(self, request: web.Request) -> web.Response:
        """A file, by its path below the folder."""
        asset = self._known.get(request.match_info["path"])
        if asset is None:
            raise web.HTTPNotFound
        is_ours = request.match_info.get("version") == self.version
        headers = {"Cache-Control": FOR_GOOD if is_ours else ASK_ANEW, "Vary": "Accept-Encoding"}
        if any(tag.value == asset.etag for tag in request.if_none_match or ()):
            response = web.Response(status=304, headers=headers)
        elif "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            response = _response(asset.packed, asset.content_type, headers)
        else:
            response = _response(asset.body, asset.content_type, headers)
        response.etag = ETag(asset.etag, is_weak=True)
        return response


def _response(body: bytes, content_type: str, headers: dict[str, str]) -> web.Response:
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)


def _load(path: Path) -> Asset:
    body = path.read_bytes()
    content_type = TYPES.get(path.suffix) or guess_type(path.name)[0] or "text/plain"
    return Asset(body, gzip.compress(body, mtime=0), content_type, _digest(body))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
