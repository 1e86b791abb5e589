"""The web page as a channel: an answer becomes events of its conversation's stream in Redis."""

import asyncio
import json
from collections.abc import AsyncGenerator

from bots.web.files import Files
from bots.web.news import News
from bots.web.pen import Pen
from config.settings import WebSettings
from core.channel import Delivery
from core.enclosures import USUAL, Enclosures, Sampling
from core.errors import StoppedError
from core.inbox import Inbox
from core.messages import Message
from core.replies import Done, ReplyEvent
from core.turn import Turn

SAMPLING = "sampling"
"""Where a message's envelope holds how the model should choose its words, as JSON."""


class WebChannel:
    """Brings replies to pages."""

    is_atomic = True

    def __init__(self, inbox: Inbox, news: News, files: Files, settings: WebSettings) -> None:
        self._inbox = inbox
        self._news = news
        self._files = files
        self._history_hours = settings.history_hours

    async def enclosures(self, turn: Turn) -> Enclosures:
        """What the files say that came along, and what the visitor set in the drawer."""
        ids = [file.id for file in turn.attachments]
        documents = await self._files.documents(turn.address, ids)
        sampling = _sampling(turn.messages[-1])
        return Enclosures(documents, len(ids) - len(documents), sampling=sampling)

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Stream an answer until it is stopped; a second attempt begins the same reply again."""
        pen = Pen(self._inbox.partition(turn.address.key), turn, delivery, self._history_hours)
        with self._news.heed(turn.address.key, pen.wake):
            async with pen.at_hand:
                try:
                    await _draw(events, pen)
                except StoppedError:
                    await pen.wipe()
                    raise


async def _draw(events: AsyncGenerator[ReplyEvent, None], pen: Pen) -> None:
    """Write what is said, up to the end or until the visitor wants no more."""
    try:
        async with asyncio.timeout(None) as patience:
            pen.interrupt = lambda: patience.reschedule(asyncio.get_running_loop().time())
            async for event in events:
                if isinstance(event, Done):
                    patience.reschedule(None)  # the end is not interrupted
                    pen.heed_stop()
                    await pen.finish(event.reply)
                else:
                    await pen.note(event)
    except TimeoutError:
        pen.heed_stop()
        raise


def _sampling(message: Message) -> Sampling:
    wished = message.envelope.get(SAMPLING)
    return Sampling(**json.loads(wished)) if wished else USUAL
