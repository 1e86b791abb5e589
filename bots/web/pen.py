"""Writes the events of one reply into its conversation's stream.

Every write goes through the delivery record, so it is fenced and the final event happens exactly
once. Deltas are folded into one entry every few milliseconds and removed when the whole text
stands. Every write also asks whether the visitor has stopped the answer; news of a stop only has it
ask at once.
"""

import asyncio
from collections.abc import Callable

from bots.web.events import (
    Event,
    delta_event,
    done_event,
    emit,
    fresh_event,
    page_id,
    retract_event,
    start_event,
    stop_key,
    stream_key,
    thinking_event,
)
from core.channel import Delivery
from core.errors import StoppedError
from core.redis import Effect, Partition
from core.replies import Delta, Reply, Retract
from core.tasks import Aside
from core.turn import Turn

FOLD_SECONDS = 0.025
THINKING_SECONDS = 0.2
"""An answer that comes sooner needs no word that it is being thought of."""
SWEPT_AT_ONCE = 1000
"""Events that one effect removes; Lua passes no more than 8,000 arguments on."""
LASTING = ("start",)
"""Events of an answer in the making that stay when it stands: they keep its place."""


def _nothing() -> None:
    pass


class Pen:
    """Writes one reply, with work at hand beside it."""

    def __init__(
        self, partition: Partition, turn: Turn, delivery: Delivery, history_hours: float
    ) -> None:
        self._partition = partition
        self._conversation = turn.address.key
        self._questions = {page_id(message.id) for message in turn.messages}
        self._delivery = delivery
        self._history_hours = history_hours
        self.interrupt: Callable[[], None] = _nothing
        """Called when the visitor has stopped the answer."""
        self._is_stopped = False
        self._has_news = asyncio.Event()
        self.at_hand = Aside(self._fold, THINKING_SECONDS)
        """Writes what gathers; an answer that comes as a whole needs none of it."""
        self._writing = asyncio.Lock()
        self._has_started = False
        self._waiting: list[str] = []
        self._is_retracted = False
        self._shown = ""
        self._entries: list[str] = []

    def wake(self) -> None:
        """Write soon, and look whether the answer was stopped."""
        self._has_news.set()
        self.at_hand.begin()

    def heed_stop(self) -> None:
        """Raise StoppedError if the visitor wants no more."""
        if self._is_stopped:
            raise StoppedError(self._shown)

    async def note(self, event: Delta | Retract) -> None:
        """Write the first text at once, and take up what follows for the next fold."""
        if isinstance(event, Retract):
            self._waiting.clear()
            self._is_retracted = True
        else:
            self._waiting.append(event.text)
        if self._has_started:
            self.wake()
        else:
            async with self._writing:
                await self._write(self._events())
            await asyncio.sleep(0)  # the page is told before this turn goes on
        self.heed_stop()

    async def finish(self, reply: Reply) -> None:
        """Write the whole answer and clear its deltas away; nothing if that was done before."""
        await self._end_folding()
        if self._delivery.sent:
            return
        events = [] if self._has_started else [start_event(self._delivery.reply_id)]
        if reply.fresh:
            events.append(fresh_event(self._delivery.reply_id))
        effects = self._emit([*events, done_event(self._delivery.reply_id, reply)])
        await self._delivery.delivered(1, [*effects, *self._sweep()])

    async def wipe(self) -> None:
        """Clear the deltas away, for another pen to write the end."""
        await self._end_folding()
        if effects := self._sweep():
            await self._delivery.write(effects)

    async def _fold(self) -> None:
        """Write what gathers every few milliseconds."""
        if not self._has_started:
            async with self._writing:
                await self._write([thinking_event(self._delivery.reply_id)])
        while True:
            await self._has_news.wait()
            await asyncio.sleep(FOLD_SECONDS)
            self._has_news.clear()
            async with self._writing:
                await self._write(self._events())

    async def _end_folding(self) -> None:
        """No delta may follow the end."""
        async with self._writing:
            self.at_hand.end()

    def _events(self) -> list[Event]:
        """What has gathered since the last write."""
        reply_id = self._delivery.reply_id
        events = []
        if not self._has_started and (self._waiting or self._is_retracted):
            self._has_started = True
            events.append(start_event(reply_id))
        if self._is_retracted:
            self._is_retracted = False
            self._shown = ""
            events.append(retract_event(reply_id))
        if text := "".join(self._waiting):
            self._waiting.clear()
            events.append(delta_event(reply_id, len(self._shown), text))
            self._shown += text
        return events

    async def _write(self, events: list[Event]) -> None:
        """Write events, and ask whether the answer was stopped."""
        effects = self._emit(events) if events else []
        asked: Effect = ("GET", stop_key(self._partition, self._conversation))
        said = await self._delivery.write([*effects, asked])
        written = zip(said, events, strict=False)
        self._entries += [entry for entry, event in written if event["type"] not in LASTING]
        if said[-1] in self._questions and not self._is_stopped:
            self._is_stopped = True
            self.interrupt()

    def _sweep(self) -> list[Effect]:
        """The effects that remove what the whole answer replaces."""
        key, gone = stream_key(self._partition, self._conversation), self._entries
        begins = range(0, len(gone), SWEPT_AT_ONCE)
        return [("XDEL", key, *gone[begin : begin + SWEPT_AT_ONCE]) for begin in begins]

    def _emit(self, events: list[Event]) -> list[Effect]:
        return emit(self._partition, self._conversation, events, self._history_hours)
