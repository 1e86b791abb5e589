"""Answers of the AI bot go out: into their stream, and what a stream cannot show another way."""

from collections.abc import AsyncGenerator
from typing import Protocol

from bots.markdown.wecom_bot import render, snapshot
from bots.pace import draw
from bots.wecom.aibot.events import STREAM, stream_of
from bots.wecom.aibot.files import Files
from bots.wecom.aibot.replies import within
from bots.wecom.aibot.streams import Streams
from bots.wecom.aibot.words import TOGETHER, language_of
from bots.wecom.words import say
from core.channel import Delivery
from core.enclosures import Enclosures
from core.replies import ReplyEvent
from core.turn import Turn

SHOW_SECONDS = 0.4
"""WeCom looks about twice a second."""
NEVER_SECONDS = 3_600.0
FINISHED = 1
"""Of the delivery record: the whole answer stands in its stream."""


class Ending(Protocol):
    """How a finished answer that stands in its stream gets to whoever asked."""

    def most_parts(self, turn: Turn, /) -> int:
        """How many messages an answer can have."""
        ...

    async def see_off(self, turn: Turn, stream: str, delivery: Delivery) -> None:
        """See to it that all of it arrives; after a crash again."""
        ...


class AibotChannel:
    """Brings replies to the chats of one AI bot."""

    is_atomic = False

    def __init__(self, streams: Streams, files: Files, ending: Ending) -> None:
        self._streams = streams
        self._files = files
        self._ending = ending

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Text files that came along."""
        read = await self._files.read(turn.messages)
        documents = tuple(document for document in read if document)
        return Enclosures(documents, len(read) - len(documents))

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Stream an answer below the newest question; see `core.channel.Channel`."""
        newest = turn.messages[-1]
        stream = stream_of(newest)
        await self._end_others(turn, stream, delivery)

        async def show(text: str) -> float:
            if delivery.sent or STREAM not in newest.envelope:
                return NEVER_SECONDS
            await delivery.write(self._streams.growing(turn.address, stream, snapshot(text)))
            return SHOW_SECONDS

        reply = await draw(events, show)
        if not delivery.sent:
            whole = render(reply.text) or (reply.text,)
            parts = within(whole, self._ending.most_parts(turn), reply.language)
            finishing = self._streams.finishing(turn.address, stream, parts)
            await delivery.delivered(FINISHED, finishing)
        await self._ending.see_off(turn, stream, delivery)

    async def _end_others(self, turn: Turn, stream: str, delivery: Delivery) -> None:
        """End the streams of the questions that are answered together with the newest."""
        if delivery.sent:
            return
        words = say(TOGETHER, language_of(turn.text))
        effects = [
            effect
            for message in turn.messages
            if (other := message.envelope.get(STREAM)) and other != stream
            for effect in self._streams.finishing(turn.address, other, [words])
        ]
        if effects:
            await delivery.write(effects)
