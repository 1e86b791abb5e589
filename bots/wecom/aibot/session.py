"""What one connection of an AI bot carries: questions in, answers out."""

import asyncio
import time

import structlog

from bots.wecom.aibot import replies
from bots.wecom.aibot.book import Book, Owed
from bots.wecom.aibot.connection import Connection
from bots.wecom.aibot.events import (
    CHAT,
    STREAM,
    Asked,
    Chosen,
    Entered,
    Understood,
    Voted,
    feedback_id,
    stream_of,
)
from bots.wecom.aibot.follower import Follower
from bots.wecom.aibot.intake import Intake
from bots.wecom.aibot.streams import Streams
from bots.wecom.aibot.words import BUSY, language_of
from bots.wecom.errors import ApiError
from bots.wecom.patience import insist
from bots.wecom.words import say
from core.errors import PlatformAwayError, StoreUnavailableError
from core.personas import Personas

log = structlog.get_logger()

MOST_AT_ONCE = 64
ACCEPT_SECONDS = 3.0
"""For so long a question is offered to a Redis that is away; WeCom does not bring it again."""
ACCEPT_PAUSE_SECONDS = 0.2
BUSY_SECONDS = 30.0
"""For so long we try to say that a question was not taken."""
SETTLE_SECONDS = 5.0
"""Longer than a question is offered."""


class Desk:
    """What sessions share: where questions go and answers come from."""

    def __init__(self, streams: Streams, book: Book, intake: Intake, personas: Personas) -> None:
        self.streams = streams
        self.book = book
        self.intake = intake
        self.personas = personas


class Session:
    """Serves a connection by tasks of a group; its end ends them."""

    def __init__(self, desk: Desk, connection: Connection, group: asyncio.TaskGroup) -> None:
        self._desk = desk
        self._connection = connection
        self._group = group
        self._busy = asyncio.Semaphore(MOST_AT_ONCE)
        self._serving: set[asyncio.Task[None]] = set()
        self._followers: dict[str, Follower] = {}

    async def resume(self) -> None:
        """Go on with what is owed; raises StoreUnavailableError."""
        for owed in await self._desk.book.all():
            self._follow(owed)

    async def take(self, request: str, event: Understood) -> None:
        """Serve a callback beside the others; waits while there are too many."""
        await self._busy.acquire()
        task = self._group.create_task(self._serve(request, event))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def turn_away(self, request: str, asked: Asked | Chosen) -> None:
        """Say that a question was not taken: in its stream, or to the chat where it has none."""
        message = asked.message
        words = say(BUSY, language_of(message.text))

        async def call() -> None:
            if STREAM in message.envelope:
                body = replies.stream(stream_of(message), words, ends=True)
                await self._connection.ask("aibot_respond_msg", body, request)
            else:
                alone = {"chatid": message.envelope[CHAT], **replies.markdown(words)}
                await self._connection.ask("aibot_send_msg", alone)

        try:
            await insist(call, asyncio.sleep, BUSY_SECONDS)
        except (ApiError, PlatformAwayError) as error:
            log.warning("nobody was told", message=message.digest, error=type(error).__name__)

    async def settle(self) -> None:
        """Wait until what was taken is written down or turned away."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=SETTLE_SECONDS)

    async def _serve(self, request: str, event: Understood) -> None:
        try:
            match event:
                case Asked() | Chosen() as asked:
                    await self._ask(asked, request)
                case Entered(address, identity):
                    persona = self._desk.personas.route(address).persona
                    welcome = replies.welcome(persona, identity)
                    await self._connection.ask("aibot_respond_welcome_msg", welcome, request)
                case Voted() as voted:
                    await self._desk.intake.vote(voted)
        except (ApiError, StoreUnavailableError) as error:
            reason = str(error) or type(error).__name__
            log.warning("callback not served", event=type(event).__name__, error=reason)
        finally:
            self._busy.release()

    async def _ask(self, asked: Asked | Chosen, request: str) -> None:
        message = asked.message
        shown_in = request if STREAM in message.envelope else ""
        owed = Owed(stream_of(message), message.address, message.envelope[CHAT], shown_in)
        if await self._accept(asked, owed):
            self._follow(owed, feedback_id(message))
        else:
            await self.turn_away(request, asked)

    async def _accept(self, asked: Asked | Chosen, owed: Owed) -> bool:
        """Write a question down; it is entered first, so that no crash can come in between."""
        deadline = time.monotonic() + ACCEPT_SECONDS
        while True:
            try:
                await self._desk.book.enter(owed)
                if await self._desk.intake.accept(asked):
                    return True
                await self._desk.book.strike(owed)
            except StoreUnavailableError:
                if time.monotonic() < deadline:
                    await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                    continue
            return False

    def _follow(self, owed: Owed, feedback: str = "") -> None:
        if known := self._followers.get(owed.stream):
            known.turn_to(owed.request)
            return
        follower = Follower(self._connection, self._desk.streams, self._desk.book, owed, feedback)
        self._followers[owed.stream] = follower
        task = self._group.create_task(follower.run())
        task.add_done_callback(lambda _: self._followers.pop(owed.stream, None))
