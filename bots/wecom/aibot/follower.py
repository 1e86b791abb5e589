"""Brings one answer over the connection: looks into Redis like WeCom does in callback mode."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import structlog

from bots.wecom.aibot import replies
from bots.wecom.aibot.book import Book, Owed
from bots.wecom.aibot.connection import Connection
from bots.wecom.aibot.streams import OPEN_SECONDS, Shown, Streams
from bots.wecom.aibot.words import LOST
from bots.wecom.errors import ApiError, RefusedError
from bots.wecom.patience import insist
from bots.wecom.words import say
from core.errors import PlatformAwayError, StoreUnavailableError

log = structlog.get_logger()

LOOK_SECONDS = 0.4
"""At most 2 to 3 pushes a second are taken."""
FIRST_LOOK_SECONDS = 0.1
SOON_SECONDS = 2.0
"""Most answers from knowledge are there sooner."""
FORGOTTEN_SECONDS = 10.0
"""A stream that is still not there belongs to no question: one is entered before it is accepted."""
LATE_LOOK_SECONDS = 2.0
"""An answer that can only come as a message of its own is not watched so closely."""


class Follower:
    """Follows one answer to its end."""

    def __init__(
        self,
        connection: Connection,
        streams: Streams,
        book: Book,
        owed: Owed,
        feedback: str = "",
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._book = book
        self._owed = owed
        self._feedback = feedback
        """Opens the stream of a new question, with thumbs."""
        self._began = time.monotonic()
        self._content = ""
        """What the stream shows."""
        self._grows = True
        """Snapshots are taken; whatever becomes of them, the end is tried."""

    def turn_to(self, request: str) -> None:
        """Answer another callback: WeCom brought the question again."""
        self._owed = replace(self._owed, request=request)
        self._content, self._grows = "", True

    async def run(self) -> None:
        """Show the answer while it grows, and strike it out when all of it was sent."""
        if self._feedback and self._owed.request:
            await self._show("")
        while True:
            try:
                if await self._step():
                    await self._book.strike(self._owed)
                    return
            except StoreUnavailableError:
                log.warning("answer not looked for", stream=self._owed.stream)
            except PlatformAwayError:
                log.warning("answer not taken, stays owed", stream=self._owed.stream)
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Until the next look."""
        seconds = time.monotonic() - self._began
        if seconds > OPEN_SECONDS:
            return LATE_LOOK_SECONDS
        return LOOK_SECONDS if self._content or seconds > SOON_SECONDS else FIRST_LOOK_SECONDS

    async def _step(self) -> bool:
        """Show what is new; whether that was the end."""
        owed = self._owed
        shown = await self._streams.read(owed.address, owed.stream)
        if shown is None:
            return await self._forget()
        if shown.is_finished:
            await self._finish(shown)
            return True
        if not owed.request:
            return False
        if shown.is_late(time.time()):
            await self._respond(shown.farewell, ends=True)
            await self._streams.close(owed.address, owed.stream)
            await self._give_up_stream()
        elif self._grows and shown.content != self._content:
            await self._show(shown.content)
        return False

    async def _forget(self) -> bool:
        """Whether the question was never accepted, or its answer brought long ago."""
        if time.monotonic() - self._began < FORGOTTEN_SECONDS:
            return False
        if self._owed.request:
            await self._respond(say(LOST, "zh"), ends=True)
        return True

    async def _show(self, content: str) -> None:
        """One snapshot of many: the next one makes good what goes wrong."""
        try:
            body = replies.stream(self._owed.stream, content, ends=False, feedback=self._feedback)
            self._feedback = ""
            await self._connection.ask("aibot_respond_msg", body, self._owed.request)
            self._content = content
        except RefusedError as error:
            self._grows = False
            log.info("stream does not grow", error=str(error))
        except ApiError as error:
            log.debug("snapshot not taken", error=str(error))

    async def _finish(self, shown: Shown) -> None:
        """Send what was not sent; the first part into the stream, while that is open."""
        owed, parts = self._owed, (shown.content, *shown.rest)
        is_open = bool(owed.request) and not shown.is_closed
        is_shown = is_open and await self._respond(shown.content, ends=True)
        for number in range(shown.brought, len(parts)):
            if number or not is_shown:
                await self._send(parts[number])
            await self._streams.bring(owed.address, owed.stream, shown, number + 1)

    async def _give_up_stream(self) -> None:
        self._owed = replace(self._owed, request="")
        await self._book.enter(self._owed)

    async def _respond(self, content: str, *, ends: bool) -> bool:
        """Whether a snapshot that matters was taken; not if the stream is over.

        One that is not over would wait for its end before everybody's eyes: it is asked twice.
        """
        body = replies.stream(self._owed.stream, content, ends=ends)
        for pause in (LOOK_SECONDS, 0.0):
            try:
                await self._insist("aibot_respond_msg", body, self._owed.request)
            except RefusedError as error:
                log.info("stream seems to be over", error=str(error))
                await asyncio.sleep(pause)
            else:
                return True
        return False

    async def _send(self, part: str) -> None:
        body = {"chatid": self._owed.chat, **replies.markdown(part)}
        try:
            await self._insist("aibot_send_msg", body)
        except RefusedError as error:
            log.warning("reply undeliverable", stream=self._owed.stream, reason=str(error))

    async def _insist(self, command: str, body: Mapping[str, object], request: str = "") -> None:
        async def call() -> None:
            await self._connection.ask(command, body, request)

        await insist(call, asyncio.sleep)
