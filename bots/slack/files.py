"""Files that came with a message: what they are, and those that are text fetched within limits."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from bots.slack.api import FILES, SlackHosts
from bots.slack.payload import text_in
from core.enclosures import DOCUMENT_BYTES, Document, read_document
from core.messages import Attachment, Message

MOST_FILES = 10
FETCH_SECONDS = 10.0
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-yaml")
_TEXT_ENDINGS = (
    *(".txt", ".md", ".csv", ".tsv", ".json", ".yaml", ".yml", ".xml", ".log", ".ini", ".toml"),
    *(".py", ".js", ".ts", ".java", ".go", ".rs", ".c", ".h", ".cpp", ".sh", ".sql", ".conf"),
)
_KINDS = {"image": "photo", "audio": "voice", "video": "video"}
_ENVELOPE = "file/"


def attached(said: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """The files of a message."""
    return tuple(
        Attachment(
            text_in(file.get("id")),
            _kind(file),
            text_in(file.get("name")),
            text_in(file.get("mimetype")),
            size if isinstance(size := file.get("size"), int) else 0,
        )
        for file in _files(said)
    )


def file_urls(said: Mapping[str, Any]) -> dict[str, str]:
    """Where each of the files lies, for the message's envelope."""
    return {
        _ENVELOPE + text_in(file.get("id")): text_in(file.get("url_private"))
        for file in _files(said)
    }


def _files(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    files = said.get("files")
    good = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return good[:MOST_FILES]


def _kind(file: Mapping[str, Any]) -> str:
    mime = text_in(file.get("mimetype"))
    kind = _KINDS.get(mime.partition("/")[0])
    if kind:
        return kind
    is_text = mime != "text/html" and mime.startswith(_TEXT_TYPES)
    named_so = text_in(file.get("name")).lower().endswith(_TEXT_ENDINGS)
    return "document" if is_text or named_so else "other"


class Files:
    """Fetches text documents with the bot's token, which goes to Slack's own hosts alone."""

    def __init__(self, session: aiohttp.ClientSession, token: str, hosts: SlackHosts) -> None:
        self._session = session
        self._token = token
        self._hosts = hosts

    async def read(self, messages: Sequence[Message]) -> list[Document | None]:
        """Each file of some messages as a document; None for what cannot be read."""
        files = [(message, file) for message in messages for file in message.attachments]
        return list(await asyncio.gather(*(self._one(*file) for file in files)))

    async def _one(self, message: Message, file: Attachment) -> Document | None:
        url = message.envelope.get(_ENVELOPE + file.id, "")
        if (
            file.kind != "document"
            or file.size > DOCUMENT_BYTES
            or not self._hosts.hold(url, FILES)
        ):
            return None
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                content = await self._fetch(url)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        return read_document(file.name, content) if content else None

    async def _fetch(self, url: str) -> bytes | None:
        """The content; None where Slack sends its login page, which means a missing scope."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != 200 or response.content_type == "text/html":
                return None
            content = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                content += chunk
                if len(content) > DOCUMENT_BYTES:
                    return None
            return bytes(content)
