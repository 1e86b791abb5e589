"""Session memory: what was said in a conversation, within a budget of tokens.

Kept in Redis as a list of exchanges, oldest first, with an idle time-to-live. Over the budget the
oldest half is folded into a running summary in one big step, so that in between the prompt only
grows at its end and the model's prefix cache stays valid. All writes are effects, so they happen
with the step that ends a turn.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import structlog
from pydantic_core import from_json, to_json

from config.settings import MemorySettings
from core.enclosures import DOCUMENT_CHARACTERS, Document
from core.errors import StoreUnavailableError, trace
from core.messages import Address
from core.redis import UNAVAILABLE, Effect, Store, partition_of
from inference.client.tokens import cut_to_tokens, estimate_tokens

log = structlog.get_logger()

Summarise = Callable[[str, Sequence["Exchange"]], Awaitable[str]]
"""Write a summary of an earlier summary and the exchanges after it; an empty answer means cut."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer."""

    question: str
    answer: str
    at: float
    language: str
    persona_version: str
    tokens: int


@dataclass(frozen=True, slots=True)
class History:
    """A conversation as remembered."""

    summary: str = ""
    summary_tokens: int = 0
    exchanges: tuple[Exchange, ...] = ()
    documents: tuple[Document, ...] = ()
    """What the files that came earlier say, the newest first."""

    @property
    def language(self) -> str | None:
        """The language last spoken."""
        return self.exchanges[-1].language if self.exchanges else None

    @property
    def tokens(self) -> int:
        """What it costs in a prompt."""
        return self.summary_tokens + sum(exchange.tokens for exchange in self.exchanges)

    def plus(self, exchange: Exchange) -> "History":
        """This history with one more exchange."""
        return replace(self, exchanges=(*self.exchanges, exchange))

    def before(self, question: str) -> "History":
        """This history without its last exchange, if that asked the same."""
        if not (self.exchanges and self.exchanges[-1].question == question):
            return self
        return replace(self, exchanges=self.exchanges[:-1])


class Memory:
    """Histories in Redis."""

    def __init__(self, store: Store, settings: MemorySettings, partitions: int) -> None:
        self._store = store
        self._settings = settings
        self._partitions = partitions

    async def load(self, conversation: str) -> History:
        """What is remembered under an address' key; raises StoreUnavailableError."""
        try:
            raw = await self._store.lrange(self._key(conversation), 0, -1)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        return self.history(conversation, raw)

    def read(self, conversation: str) -> list[Effect]:
        """The two effects that say what `history` reads."""
        return [
            ("LRANGE", self._key(conversation), "0", "-1"),
            ("GET", self._files_key(conversation)),
        ]

    def history(
        self, conversation: str, raw: Sequence[str | bytes], raw_documents: str = ""
    ) -> History:
        """A history as it is stored; an empty one where it cannot be read."""
        try:
            return _history(raw, _documents(raw_documents))
        except (ValueError, TypeError, KeyError) as error:
            # Better to have forgotten than not to answer.
            log.error("memory cannot be read", conversation=conversation, error=trace(error))  # noqa: TRY400
            return History()

    def remember(self, address: Address, exchange: Exchange, idle_hours: float) -> list[Effect]:
        """The effects that append an exchange and restart the idle time."""
        key = self._key(address.key)
        return [("RPUSH", key, _dump(exchange)), _expiry(key, idle_hours)]

    def keep(
        self, address: Address, documents: Sequence[Document], idle_hours: float
    ) -> list[Effect]:
        """The effects that keep files, the newest first, for the questions that follow."""
        kept = _newest_documents(documents)
        if not kept:
            return []
        lifetime = str(int(idle_hours * 3_600_000))
        return [("SET", self._files_key(address.key), _dump(kept), "PX", lifetime)]

    def take_back(self, address: Address) -> list[Effect]:
        """The effect that forgets the last exchange."""
        return [("RPOP", self._key(address.key))]

    def forget(self, address: Address) -> list[Effect]:
        """The effects that start a conversation afresh."""
        return [("DEL", self._key(address.key)), ("DEL", self._files_key(address.key))]

    def over_budget(self, tokens: int) -> bool:
        """Whether a history of this size is to be folded."""
        return tokens > self._settings.tokens

    async def fold(
        self, address: Address, history: History, summarise: Summarise, idle_hours: float
    ) -> list[Effect]:
        """The effects that replace the oldest half by a summary, or cut it without one."""
        kept = _newest(history.exchanges, self._settings.tokens // 2)
        folded = history.exchanges[: len(history.exchanges) - len(kept)]
        summary = await self._summary(history.summary, folded, summarise)
        key = self._key(address.key)
        items = [_dump(exchange) for exchange in kept]
        if summary:
            tokens = estimate_tokens(summary)
            items.insert(0, _dump({"summary": summary, "tokens": tokens, "at": time.time()}))
        log.info("history folded", conversation=address.key, exchanges=len(folded), kept=len(kept))
        if not items:
            return [("DEL", key)]
        return [("DEL", key), ("RPUSH", key, *items), _expiry(key, idle_hours)]

    async def _summary(self, before: str, folded: Sequence[Exchange], summarise: Summarise) -> str:
        if not folded:
            return before
        try:
            async with asyncio.timeout(self._settings.summary_seconds):
                summary = (await summarise(before, folded)).strip()
        except TimeoutError:
            log.warning("history cut: the summary took too long")
            summary = ""
        # A summary as long as what it stands for would have the next turn fold again.
        return cut_to_tokens(summary or before, self._settings.tokens // 4)

    def _key(self, conversation: str) -> str:
        return partition_of(conversation, self._partitions).key("memory", conversation)

    def _files_key(self, conversation: str) -> str:
        return partition_of(conversation, self._partitions).key("files", conversation)


def _newest(exchanges: Sequence[Exchange], tokens: int) -> tuple[Exchange, ...]:
    """The newest exchanges that fit; none when even the last alone is too long."""
    count = 0
    for exchange in reversed(exchanges):
        tokens -= exchange.tokens
        if tokens < 0:
            break
        count += 1
    return tuple(exchanges[len(exchanges) - count :])


def _newest_documents(documents: Sequence[Document]) -> list[Document]:
    """The first of them that fit together into what a question may carry; each once."""
    kept, room = [], DOCUMENT_CHARACTERS
    for document in dict.fromkeys(documents):
        room -= len(document.text)
        if room < 0:
            break
        kept.append(document)
    return kept


def _documents(raw: str) -> tuple[Document, ...]:
    return tuple(Document(**fields) for fields in from_json(raw)) if raw else ()


def _expiry(key: str, idle_hours: float) -> Effect:
    return ("PEXPIRE", key, str(int(idle_hours * 3_600_000)))


def _history(raw: Sequence[str | bytes], documents: tuple[Document, ...]) -> History:
    summary, summary_tokens = "", 0
    if raw and "summary" in (head := from_json(raw[0])):
        summary, summary_tokens, raw = head["summary"], head["tokens"], raw[1:]
    return History(summary, summary_tokens, tuple(map(_exchange, raw)), documents)


@lru_cache(maxsize=4096)
def _exchange(raw: str | bytes) -> Exchange:
    """An exchange as it is stored; those of a conversation are read again with each turn."""
    return Exchange(**from_json(raw))


def _dump(item: object) -> str:
    return to_json(item).decode()
