"""The news of conversations: one Redis subscription per gateway feeds the pages it serves.

What is heard may have a gap (an outage, a page that is too slow). A page with a gap reads its
stream, from the last event it has seen; so does every page at first and after each outage.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

import structlog
from redis.exceptions import RedisError

from bots.web.events import news_channel
from core.redis import Partition, Store, hear
from core.tasks import honour_cancellation

log = structlog.get_logger()

RETRY_SECONDS = 0.5
PAGES_PER_CONVERSATION = 8
EVENTS_WAITING = 256

Entry = tuple[str, str]
"""An event's id in its stream, and the event as JSON."""


class TooManyPagesError(Exception):
    """One conversation is open in too many pages; answer 429."""


class Reader:
    """What one page has not been told yet."""

    def __init__(self) -> None:
        self.has_gap = True
        """Whether something may be missing here, so that the stream has to be read."""
        self._waiting: list[Entry] = []
        self._news = asyncio.Event()

    async def wait(self) -> None:
        """Wait until there is something to tell."""
        await self._news.wait()

    def take(self) -> list[Entry]:
        """What was heard since; before a stream is read, so that nothing falls in between."""
        waiting, self._waiting = self._waiting, []
        self.has_gap = False
        self._news.clear()
        return waiting

    def hear(self, entry: Entry) -> None:
        """Take up an event."""
        if len(self._waiting) >= EVENTS_WAITING:
            self.miss()
        elif not self.has_gap:
            self._waiting.append(entry)
        self._news.set()

    def miss(self) -> None:
        """Something may have been missed."""
        self.has_gap = True
        self._waiting.clear()
        self._news.set()


class News:
    """Feeds the readers of conversations."""

    def __init__(self, store: Store, partitions: tuple[Partition, ...]) -> None:
        self._store = store
        self._channels = [news_channel(partition) for partition in partitions]
        self._readers: dict[str, set[Reader]] = {}
        self._wakers: dict[str, Callable[[], None]] = {}
        self.is_closing = False

    @contextmanager
    def follow(self, conversation: str) -> Generator[Reader, None, None]:
        """A reader that hears everything of a conversation from now on."""
        readers = self._readers.setdefault(conversation, set())
        if len(readers) >= PAGES_PER_CONVERSATION:
            raise TooManyPagesError
        reader = Reader()
        readers.add(reader)
        try:
            yield reader
        finally:
            readers.discard(reader)
            if not readers:
                self._readers.pop(conversation, None)

    @contextmanager
    def heed(self, conversation: str, wake: Callable[[], None]) -> Generator[None, None, None]:
        """Call `wake` when somebody may want to stop the answer that is given here."""
        self._wakers[conversation] = wake
        try:
            yield
        finally:
            self._wakers.pop(conversation, None)

    async def listen(self) -> None:
        """Hear Redis until cancelled."""
        while True:
            honour_cancellation()
            try:
                await hear(self._store, self._channels, self._spread, self._miss_all)
            except (RedisError, OSError) as error:
                log.warning("page news interrupted", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    def close(self) -> None:
        """End all open pages' streams; their browsers connect again, to another gateway."""
        self.is_closing = True
        self._miss_all()

    def _spread(self, news: str) -> None:
        conversation, _, rest = news.partition(" ")
        if not rest:
            if wake := self._wakers.get(conversation):
                wake()
            return
        readers = self._readers.get(conversation)
        if readers:
            entry, _, event = rest.partition(" ")
            for reader in readers:
                reader.hear((entry, event))

    def _miss_all(self) -> None:
        for wake in self._wakers.values():
            wake()
        for readers in self._readers.values():
            for reader in readers:
                reader.miss()
