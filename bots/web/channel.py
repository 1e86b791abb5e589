"""The web page as a channel: an answer becomes events of its conversation's stream in Redis.

Every write goes through the delivery record, so it is fenced and the final event happens exactly
once. Deltas are folded into one entry every few milliseconds and removed when the whole text
stands.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from bots.web.events import (
    delta_event,
    done_event,
    emit,
    fresh_event,
    retract_event,
    start_event,
    stream_key,
)
from config.settings import WebSettings
from core.channel import Delivery
from core.enclosures import NOTHING, Enclosures
from core.inbox import Inbox
from core.messages import Address
from core.replies import Delta, Done, Reply, ReplyEvent, Retract
from core.tasks import beside
from core.turn import Turn

FOLD_SECONDS = 0.025


class WebChannel:
    """Brings replies to pages."""

    is_atomic = True

    def __init__(self, inbox: Inbox, settings: WebSettings) -> None:
        self._inbox = inbox
        self._history_hours = settings.history_hours

    async def enclosures(self, _: Turn) -> Enclosures:
        """The page sends words alone."""
        return NOTHING

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Stream an answer; a second attempt begins the same reply again."""
        pen = _Pen(self._inbox, turn.address, delivery, self._history_hours)
        async with beside(pen.fold()) as folding:
            async for event in events:
                if isinstance(event, Done):
                    await pen.finish(event.reply, folding)
                else:
                    await pen.note(event)


class _Pen:
    """Writes the events of one reply."""

    def __init__(self, inbox: Inbox, to: Address, delivery: Delivery, history_hours: float) -> None:
        self._partition = inbox.partition(to.key)
        self._conversation = to.key
        self._delivery = delivery
        self._history_hours = history_hours
        self._has_text = asyncio.Event()
        self._writing = asyncio.Lock()
        self._has_started = False
        self._waiting: list[str] = []
        self._is_retracted = False
        self._at = 0
        self._entries: list[str] = []

    async def note(self, event: Delta | Retract) -> None:
        """Write the first text at once, and take up what follows for the next fold."""
        if isinstance(event, Retract):
            self._waiting.clear()
            self._is_retracted = True
        else:
            self._waiting.append(event.text)
        if self._has_started:
            self._has_text.set()
        else:
            await self._write(self._events())

    async def fold(self) -> None:
        """Write what gathers every few milliseconds."""
        while True:
            await self._has_text.wait()
            await asyncio.sleep(FOLD_SECONDS)
            self._has_text.clear()
            async with self._writing:
                await self._write(self._events())

    async def finish(self, reply: Reply, folding: asyncio.Task[None]) -> None:
        """Write the whole answer and clear its deltas away; nothing if that was done before."""
        async with self._writing:  # so that no delta can follow the end
            folding.cancel()
        if self._delivery.sent:
            return
        events = [] if self._has_started else [start_event(self._delivery.reply_id)]
        if reply.fresh:
            events.append(fresh_event(self._delivery.reply_id))
        effects = self._emit([*events, done_event(self._delivery.reply_id, reply)])
        if self._entries:
            key = stream_key(self._partition, self._conversation)
            effects.append(("XDEL", key, *self._entries))
        await self._delivery.delivered(1, effects)

    def _events(self) -> list[dict[str, Any]]:
        """What has gathered since the last write."""
        reply_id = self._delivery.reply_id
        events = []
        if not self._has_started:
            self._has_started = True
            events.append(start_event(reply_id))
        if self._is_retracted:
            self._is_retracted = False
            self._at = 0
            events.append(retract_event(reply_id))
        if text := "".join(self._waiting):
            self._waiting.clear()
            events.append(delta_event(reply_id, self._at, text))
            self._at += len(text)
        return events

    async def _write(self, events: list[dict[str, Any]]) -> None:
        if events:
            said = await self._delivery.write(self._emit(events))
            written = zip(said, events, strict=False)
            self._entries += [entry for entry, event in written if event["type"] != "start"]

    def _emit(self, events: list[dict[str, Any]]) -> list[tuple[str, ...]]:
        return emit(self._partition, self._conversation, events, self._history_hours)
