"""The one process that holds an AI bot's connection: takes questions in and brings answers out."""

import asyncio
import time

import aiohttp
import structlog

from bots.wecom.aibot import replies
from bots.wecom.aibot.book import Book, Owed
from bots.wecom.aibot.connection import Callback, Connection, Login, open_connection
from bots.wecom.aibot.events import (
    CHAT,
    STREAM,
    Asked,
    Chosen,
    Entered,
    Replaced,
    Understood,
    Voted,
    feedback_id,
    stream_of,
    understand,
)
from bots.wecom.aibot.follower import Follower
from bots.wecom.aibot.intake import Intake
from bots.wecom.aibot.payload import BadPayloadError, read_payload
from bots.wecom.aibot.streams import Streams
from bots.wecom.aibot.words import BUSY, language_of
from bots.wecom.errors import ApiError
from bots.wecom.words import say
from core.errors import StoreUnavailableError
from core.personas import Personas
from core.tasks import honour_cancellation

log = structlog.get_logger()

MOST_AT_ONCE = 64
ACCEPT_SECONDS = 3.0
"""For so long a question is offered to a Redis that is away; WeCom does not bring it again."""
ACCEPT_PAUSE_SECONDS = 0.2


class ReplacedError(Exception):
    """Another connection took the place of ours; to connect again would start a fight."""


class Holder:
    """Holds the connection of one account."""

    def __init__(
        self,
        login: Login,
        session: aiohttp.ClientSession,
        *,
        streams: Streams,
        book: Book,
        intake: Intake,
        personas: Personas,
    ) -> None:
        self._login = login
        self._session = session
        self._streams = streams
        self._book = book
        self._intake = intake
        self._personas = personas
        self._busy = asyncio.Semaphore(MOST_AT_ONCE)

    async def prove(self) -> None:
        """Log in and out again; raises ApiError."""
        async with open_connection(self._session, self._login):
            return

    async def hold(self) -> None:
        """Hold the connection until it ends; raises ApiError, ReplacedError or
        StoreUnavailableError.
        """
        try:
            async with (
                open_connection(self._session, self._login) as connection,
                asyncio.TaskGroup() as group,
            ):
                log.info("wecom ai bot connected", account=self._login.account)
                for owed in await self._book.all():
                    group.create_task(self._follower(connection, owed).run())
                while True:
                    honour_cancellation()
                    callback = await connection.next()
                    event = self._understood(callback)
                    if isinstance(event, Replaced):
                        raise ReplacedError
                    await self._busy.acquire()
                    group.create_task(self._take(connection, callback.request, event, group))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _understood(self, callback: Callback) -> Understood | None:
        try:
            payload = read_payload(callback.body)
        except BadPayloadError:
            log.warning("callback not understood", command=callback.command)
            return None
        return understand(payload, self._login.account, time.time())

    async def _take(
        self,
        connection: Connection,
        request: str,
        event: Understood | None,
        group: asyncio.TaskGroup,
    ) -> None:
        try:
            if owed := await self._hear(connection, request, event):
                group.create_task(self._follower(connection, owed).run())
        except (ApiError, StoreUnavailableError) as error:
            reason = str(error) or type(error).__name__
            log.warning("callback not served", event=type(event).__name__, error=reason)
        finally:
            self._busy.release()

    async def _hear(
        self, connection: Connection, request: str, event: Understood | None
    ) -> Owed | None:
        """Do what a callback asks; returns the answer that is owed for it."""
        match event:
            case Asked() | Chosen() as asked:
                return await self._ask(connection, asked, request)
            case Entered(address, identity):
                welcome = replies.welcome(self._personas.route(address).persona, identity)
                await connection.ask("aibot_respond_welcome_msg", welcome, request)
            case Voted() as voted:
                await self._intake.vote(voted)
        return None

    async def _ask(
        self, connection: Connection, asked: Asked | Chosen, request: str
    ) -> Owed | None:
        message = asked.message
        request = request if STREAM in message.envelope else ""
        owed = Owed(stream_of(message), message.address, message.envelope[CHAT], request)
        is_taken = await self._accept(asked, owed)
        if request:
            words = "" if is_taken else say(BUSY, language_of(message.text))
            feedback = feedback_id(message) if is_taken else ""
            body = replies.stream(owed.stream, words, ends=not is_taken, feedback=feedback)
            try:
                await connection.ask("aibot_respond_msg", body, request)
            except ApiError as error:  # whoever follows the answer tries again
                log.warning("stream not opened", message=message.digest, error=str(error))
        return owed if is_taken else None

    async def _accept(self, asked: Asked | Chosen, owed: Owed) -> bool:
        """Write a question down; it is entered first, so that no crash can come in between."""
        deadline = time.monotonic() + ACCEPT_SECONDS
        while True:
            try:
                await self._book.enter(owed)
                if await self._intake.accept(asked):
                    return True
                await self._book.strike(owed)
            except StoreUnavailableError:
                if time.monotonic() < deadline:
                    await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                    continue
            return False

    def _follower(self, connection: Connection, owed: Owed) -> Follower:
        return Follower(connection, self._streams, self._book, owed)
