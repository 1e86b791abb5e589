"""Files that visitors send: read when they come, kept until the message they belong to is done."""

import secrets
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

from bots.web.events import files_key
from core.enclosures import Document
from core.errors import StoreUnavailableError
from core.files.reader import Reading
from core.messages import Address, Attachment
from core.redis import UNAVAILABLE, Store, partition_of, run_effects

KEPT_HOURS = 24
NAME_CHARACTERS = 120


class FileGoneError(Exception):
    """A file is not kept, or not any more; its sender has to send it again."""


class Files:
    """The files of all conversations, as the text that was found in them."""

    def __init__(self, store: Store, partitions: int) -> None:
        self._store = store
        self._partitions = partitions

    async def keep(self, address: Address, name: str, size: int, reading: Reading) -> Attachment:
        """Keep what a file says; raises StoreUnavailableError."""
        file = Attachment(secrets.token_hex(8), reading.kind.value, name, size=size)
        fields = {"name": name, "kind": file.kind, "size": size, "text": reading.text}
        key = self._key(address)
        lifetime = str(KEPT_HOURS * 3_600_000)
        kept = to_json(fields).decode()
        effects = [("HSET", key, file.id, kept), ("PEXPIRE", key, lifetime)]
        await run_effects(self._store, effects)
        return file

    async def attachments(
        self, address: Address, ids: Sequence[str], *, may_be_gone: bool = False
    ) -> tuple[Attachment, ...]:
        """Files of a conversation; raises FileGoneError, StoreUnavailableError.

        Those that are gone are left out if they `may_be_gone`.
        """
        found = await self._find(address, ids)
        if None in found and not may_be_gone:
            raise FileGoneError
        return tuple(
            Attachment(identity, fields["kind"], fields["name"], size=fields["size"])
            for identity, fields in zip(ids, found, strict=True)
            if fields
        )

    async def documents(self, address: Address, ids: Sequence[str]) -> tuple[Document, ...]:
        """What files of a conversation say; those that are gone are left out."""
        found = await self._find(address, ids)
        return tuple(Document(fields["name"], fields["text"]) for fields in found if fields)

    async def _find(self, address: Address, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        if not ids:
            return []
        try:
            raw = await self._store.hmget(self._key(address), list(ids))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        return [from_json(text) if text else None for text in raw]

    def _key(self, address: Address) -> str:
        return files_key(partition_of(address.key, self._partitions), address.key)


def clean_name(name: str) -> str:
    """A file's name as it may be shown: one line, without a path, not endless."""
    bare = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in bare if letter.isprintable())
    return " ".join(shown.split())[:NAME_CHARACTERS] or "file"
