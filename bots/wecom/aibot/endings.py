"""How a finished answer that stands in its stream gets to whoever asked, in either mode."""

import sys
import time
from collections.abc import Sequence

from bots.wecom.aibot.events import STREAM
from bots.wecom.aibot.replies import markdown, within
from bots.wecom.aibot.response_url import ResponseUrls
from bots.wecom.aibot.streams import Streams
from bots.wecom.errors import AwayError, RefusedError
from bots.wecom.patience import insist
from core.channel import Delivery
from core.errors import UndeliverableError
from core.turn import Turn

FIRST_LOOK_SECONDS = 0.1
LOOK_SECONDS = 0.8
PATIENCE_SECONDS = 10.0
"""WeCom looks about twice a second; a finished answer that it left for so long is posted."""
POSTED = 2
"""Of the delivery record, behind FINISHED: what the stream did not show was posted."""
POSTING = "posting"


class WhenAsked:
    """WeCom asks for the answer; what it does not ask for is posted, once."""

    def __init__(
        self, streams: Streams, urls: ResponseUrls, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._streams = streams
        self._urls = urls
        self._patience = patience

    def most_parts(self, turn: Turn, /) -> int:
        """One in the stream, and one for each address."""
        is_shown = STREAM in turn.messages[-1].envelope
        return max(1, is_shown + len(self._urls.usable(turn.messages, time.time())))

    async def see_off(self, turn: Turn, stream: str, delivery: Delivery) -> None:
        """Wait until it was asked for; else, and if it is too long for a stream, post it."""
        if delivery.sent >= POSTED:
            return
        is_brought = await self._is_brought(turn, stream, delivery)
        shown = await self._streams.read(turn.address, stream)
        if shown is None:
            raise UndeliverableError("the answer is too old to be shown")
        parts = shown.rest if is_brought else (shown.content, *shown.rest)
        if parts:
            urls = self._urls.usable(turn.messages, time.time())
            if not urls:
                raise UndeliverableError("nothing can be posted to this question")
            await self._post(urls, within(parts, len(urls), shown.language), delivery)
            await delivery.delivered(POSTED)

    async def _is_brought(self, turn: Turn, stream: str, delivery: Delivery) -> bool:
        """Whether WeCom got the end of the stream."""
        if STREAM not in turn.messages[-1].envelope:
            return False
        deadline, pause = time.monotonic() + self._patience, FIRST_LOOK_SECONDS
        while time.monotonic() < deadline:
            shown = await self._streams.read(turn.address, stream)
            if shown is None or shown.is_closed:
                return False
            if shown.brought:
                return True
            await delivery.pause(pause)
            pause = min(2 * pause, LOOK_SECONDS)
        await self._streams.close(turn.address, stream)
        return False

    async def _post(
        self, addresses: Sequence[str], parts: Sequence[str], delivery: Delivery
    ) -> None:
        """Post each part to an address of its own."""
        urls = iter(addresses)
        was_posting = delivery.surface == POSTING
        if not was_posting:
            await delivery.opened(POSTING)
        for part in parts:
            for url in urls:
                if await self._is_posted(url, part, delivery, in_doubt=was_posting):
                    break
            else:
                raise UndeliverableError("nothing more can be posted to this question")

    async def _is_posted(self, url: str, part: str, delivery: Delivery, *, in_doubt: bool) -> bool:
        """Post a part; a refusal after an attempt without an answer means that it is there."""

        async def call() -> None:
            nonlocal in_doubt
            try:
                await self._urls.post(url, markdown(part))
            except AwayError:
                in_doubt = True
                raise

        try:
            await insist(call, delivery.pause)
        except RefusedError:
            return in_doubt
        return True


class WhenHeld:
    """The process that holds the connection finds the answer in Redis and sends it."""

    def most_parts(self, _turn: Turn, /) -> int:
        """As many as it needs."""
        return sys.maxsize

    async def see_off(self, turn: Turn, stream: str, delivery: Delivery) -> None:
        """Nothing is left to do: it is written down."""
