"""What the answers of an AI bot show, in Redis: any worker writes, any gateway shows.

WeCom shows an answer in a stream for six minutes after the question, by asking for all of it again
and again. Who brings the stream to its end here is written down, so that what did not fit into the
six minutes, or was never asked for, is brought another way.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from bots.markdown.cut import byte_reach
from bots.markdown.wecom_bot import MAX_BYTES
from bots.wecom.aibot.words import CONTINUES
from bots.wecom.words import say
from core.errors import StoreUnavailableError
from core.inbox import Inbox
from core.messages import Address
from core.redis import UNAVAILABLE, Effect, Store

OPEN_SECONDS = 330.0
"""The platform's six minutes, less what the way to an end takes."""
KEPT_SECONDS = 86_400
"""Longer than a question is ever answered."""
SHOWN_SECONDS = 600
"""An answer that was shown to its end can be asked for again only for so long."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One stream as it is now."""

    content: str
    asked: float
    """Unix time of the question."""
    is_finished: bool = False
    """`content` is the whole answer, or its first part."""
    rest: tuple[str, ...] = ()
    """Parts of a finished answer that no stream can show."""
    brought: int = 0
    """Parts of the finished answer that somebody was given."""
    is_closed: bool = False
    """The stream came to its end before the answer was finished."""
    language: str = "zh"

    def is_late(self, now: float) -> bool:
        """Whether the stream has to come to its end although the answer is not finished."""
        return not self.is_finished and now - self.asked > OPEN_SECONDS

    @property
    def farewell(self) -> str:
        """What a stream shows that ends before its answer does."""
        words = say(CONTINUES, self.language)
        room = MAX_BYTES - len(words.encode()) - len("\n\n")
        return f"{self.content[: byte_reach(self.content, 0, room)]}\n\n{words}".strip()


class Streams:
    """The streams of one account."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox

    def opening(self, address: Address, stream: str, now: float, language: str) -> list[Effect]:
        """The effects that open a stream, for the step that accepts the question."""
        return self._write(address, stream, {"asked": repr(now), "language": language})

    def growing(self, address: Address, stream: str, content: str) -> list[Effect]:
        """The effects that show more of an answer."""
        return self._write(address, stream, {"content": content})

    def finishing(self, address: Address, stream: str, parts: Sequence[str]) -> list[Effect]:
        """The effects that finish an answer; all but the first part is for other ways."""
        rest = to_json(list(parts[1:])).decode()
        fields = {"content": parts[0], "finish": "1", "rest": rest}
        return self._write(address, stream, fields)

    async def read(self, address: Address, stream: str) -> Shown | None:
        """A stream, or None if there is none any more; raises StoreUnavailableError."""
        try:
            raw = await self._store.hgetall(self._key(address, stream))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        found = {str(field): str(value) for field, value in raw.items()}
        if "asked" not in found:
            return None
        return Shown(
            found.get("content", ""),
            float(found["asked"]),
            is_finished="finish" in found,
            rest=tuple(from_json(found.get("rest", "[]"))),
            brought=int(found.get("brought", "0")),
            is_closed="closed" in found,
            language=found.get("language", "zh"),
        )

    async def bring(self, address: Address, stream: str, shown: Shown, parts: int = 1) -> None:
        """Note how many parts somebody was given; raises StoreUnavailableError."""
        seconds = SHOWN_SECONDS if parts > len(shown.rest) else KEPT_SECONDS
        await self._note(address, stream, ("brought", str(parts)), seconds)

    async def close(self, address: Address, stream: str) -> None:
        """Note that the stream ended before the answer; raises StoreUnavailableError."""
        await self._note(address, stream, ("closed", "1"), KEPT_SECONDS)

    async def _note(
        self, address: Address, stream: str, fact: tuple[str, str], seconds: int
    ) -> None:
        key = self._key(address, stream)
        try:
            await asyncio.gather(self._store.hset(key, *fact), self._store.expire(key, seconds))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    def _write(self, address: Address, stream: str, fields: dict[str, str]) -> list[Effect]:
        key = self._key(address, stream)
        pairs = [text for field in fields.items() for text in field]
        return [("HSET", key, *pairs), ("EXPIRE", key, str(KEPT_SECONDS))]

    def _key(self, address: Address, stream: str) -> str:
        return self._inbox.partition(address.key).key("wecom-aibot", stream)
