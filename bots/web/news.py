"""Which conversations have news: one Redis subscription per gateway wakes the pages it serves.

A wake-up carries no content and may be lost; a page then reads its stream at the next one, or at
its keep-alive. After an outage everybody is woken.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import structlog
from redis.exceptions import RedisError

from bots.web.events import news_channel
from core.redis import Partition, Store
from core.tasks import honour_cancellation

log = structlog.get_logger()

RETRY_SECONDS = 0.5
PAGES_PER_CONVERSATION = 8


class TooManyPagesError(Exception):
    """One conversation is open in too many pages; answer 429."""


class News:
    """Wakes the readers of conversations."""

    def __init__(self, store: Store, partitions: tuple[Partition, ...]) -> None:
        self._store = store
        self._channels = [news_channel(partition) for partition in partitions]
        self._readers: dict[str, set[asyncio.Event]] = {}
        self.is_closing = False

    @contextmanager
    def follow(self, conversation: str) -> Generator[asyncio.Event, None, None]:
        """An event that is set whenever the conversation may have news."""
        readers = self._readers.setdefault(conversation, set())
        if len(readers) >= PAGES_PER_CONVERSATION:
            raise TooManyPagesError
        event = asyncio.Event()
        readers.add(event)
        try:
            yield event
        finally:
            readers.discard(event)
            if not readers:
                self._readers.pop(conversation, None)

    async def listen(self) -> None:
        """Hear Redis until cancelled."""
        while True:
            honour_cancellation()
            try:
                async with self._store.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(*self._channels)
                    self._wake_all()
                    while True:
                        honour_cancellation()
                        message = await heard.get_message(timeout=None)
                        if message:
                            self._wake(message["data"])
            except (RedisError, OSError) as error:
                log.warning("page news interrupted", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    def close(self) -> None:
        """End all open pages' streams; their browsers connect again, to another gateway."""
        self.is_closing = True
        self._wake_all()

    def _wake(self, conversation: str) -> None:
        for event in self._readers.get(conversation, ()):
            event.set()

    def _wake_all(self) -> None:
        for conversation in self._readers:
            self._wake(conversation)
