"""Files that came with a question: within five minutes WeCom gives them out, encrypted."""

import asyncio
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import aiohttp
from wechatpy.crypto.base import WeChatCipher

from bots.wecom.aibot.hosts import Hosts
from bots.wecom.crypto import BLOCK, SealError, unpadded
from core.enclosures import DOCUMENT_BYTES, Document, read_document
from core.messages import Attachment, Message

MOST_FILES = 5
FETCH_SECONDS = 15.0
_NAME = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)
_Found = tuple[str, bytes]


class Files:
    """Reads text documents; `aes_key` is the callback's, which a file's own goes before."""

    def __init__(self, session: aiohttp.ClientSession, hosts: Hosts, aes_key: str) -> None:
        self._session = session
        self._hosts = hosts
        self._aes_key = aes_key

    async def read(self, messages: Sequence[Message]) -> list[Document | None]:
        """Each file of some messages as a document; None for what cannot be read."""
        files = [(file, m.envelope) for m in messages for file in m.attachments]
        read = await asyncio.gather(*(self._one(*file) for file in files[:MOST_FILES]))
        return [*read, *(None for _ in files[MOST_FILES:])]

    async def _one(self, file: Attachment, envelope: Mapping[str, str]) -> Document | None:
        url = envelope.get(f"url/{file.id}", "")
        if file.kind != "document" or not self._hosts.hold(url):
            return None
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                found = await self._fetch(url)
            if found is None:
                return None
            name, sealed = found
            key = envelope.get(f"key/{file.id}") or self._aes_key
            return read_document(file.name or name, await asyncio.to_thread(_opened, sealed, key))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, SealError):
            return None

    async def _fetch(self, url: str) -> _Found | None:
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                return None
            content = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                content += chunk
                if len(content) > DOCUMENT_BYTES + BLOCK:
                    return None
            found = _NAME.search(response.headers.get("Content-Disposition", ""))
            return unquote(found[1]) if found else "", bytes(content)


def _opened(sealed: bytes, aes_key: str) -> bytes:
    """What AES-256-CBC sealed with a key of 32 bytes in base64; raises ValueError, SealError."""
    key = b64decode(aes_key + "=" * (-len(aes_key) % 4))
    plain: bytes = WeChatCipher(key).decrypt(sealed)
    return unpadded(plain)
