"""The stream of a conversation's events to one open page."""

import asyncio
import json
import re
from contextlib import closing
from itertools import dropwhile
from typing import Any

from aiohttp import web

from bots.web.events import Event, stream_key
from bots.web.news import Entry, News, Reader
from core.errors import StoreUnavailableError
from core.inbox import Inbox
from core.redis import UNAVAILABLE, Store

KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = b": keep-alive\n\n"
EVENTS_AT_ONCE = 200
EVENT_ID = re.compile(r"\d{1,15}-\d{1,10}")
BEGINNING = "0-0"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class EventStreams:
    """Tells pages what happens in conversations."""

    def __init__(self, store: Store, inbox: Inbox, news: News) -> None:
        self._store = store
        self._inbox = inbox
        self._news = news

    async def serve(self, request: web.Request, conversation: str, last: str) -> web.StreamResponse:
        """Stream the events after `last`, then whatever comes; raises TooManyPagesError."""
        with self._news.follow(conversation) as reader:
            return await self._stream(request, conversation, last, reader)

    async def past(self, conversation: str) -> list[Event]:
        """All events that are kept; raises StoreUnavailableError."""
        events: list[Event] = []
        last = BEGINNING
        while entries := await self._read(self._key(conversation), last):
            events += [json.loads(event) for _, event in entries]
            last = entries[-1][0]
        return events

    async def _stream(
        self, request: web.Request, conversation: str, last: str, reader: Reader
    ) -> web.StreamResponse:
        key = self._key(conversation)
        response = web.StreamResponse(headers=HEADERS)
        entries = await self._next(key, last, reader)
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        with closing(_Ticks(reader)):
            while not self._news.is_closing:
                if entries:
                    await response.write(_lines(entries))
                    last = entries[-1][0]
                if not reader.has_gap:
                    await reader.wait()
                try:
                    entries = await self._next(key, last, reader)
                except StoreUnavailableError:
                    break  # the page connects again and is told 503
                if not entries:
                    await response.write(KEEP_ALIVE)
        return response

    async def _next(self, key: str, last: str, reader: Reader) -> list[Entry]:
        """The events after `last`: those heard, or those in the stream where some may be missed."""
        has_gap = reader.has_gap
        heard = reader.take()
        if not has_gap:
            return _after(last, heard)
        found = await self._read(key, last)
        if len(found) == EVENTS_AT_ONCE:
            reader.miss()
        return found

    async def _read(self, key: str, last: str) -> list[Entry]:
        try:
            found: Any = await self._store.xrange(key, min=f"({last}", count=EVENTS_AT_ONCE)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        return [(entry, fields["event"]) for entry, fields in found]

    def _key(self, conversation: str) -> str:
        return stream_key(self._inbox.partition(conversation), conversation)


class _Ticks:
    """Has a page's stream read now and then, whether or not there is news.

    One timer for all of a page's life: a deadline for each wait would cost more than the wait.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._set()

    def close(self) -> None:
        """End it."""
        self._due.cancel()

    def _set(self) -> None:
        self._due = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS, self._tick)

    def _tick(self) -> None:
        self._reader.miss()
        self._set()


def _lines(entries: list[Entry]) -> bytes:
    return "".join([f"id: {entry}\ndata: {event}\n\n" for entry, event in entries]).encode()


def _after(last: str, heard: list[Entry]) -> list[Entry]:
    """What stands behind `last` in the stream; all that was heard, but for a moment after a gap."""
    seen = _order(last)
    return [*dropwhile(lambda entry: _order(entry[0]) <= seen, heard)]


def _order(entry: str) -> tuple[int, int]:
    """Where an event stands in its stream."""
    at, _, number = entry.partition("-")
    return int(at), int(number)
