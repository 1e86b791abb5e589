"""The one process that holds an AI bot's connection."""

import asyncio
import time

import aiohttp
import structlog

from bots.wecom.aibot.connection import Callback, Connection, Login, open_connection
from bots.wecom.aibot.events import Asked, Chosen, Replaced, Understood, understand
from bots.wecom.aibot.payload import BadPayloadError, read_payload
from bots.wecom.aibot.session import Desk, Session
from core.tasks import honour_cancellation

log = structlog.get_logger()


class ReplacedError(Exception):
    """Another connection took the place of ours; to connect again would start a fight."""


class Holder:
    """Holds the connection of one account."""

    def __init__(self, login: Login, session: aiohttp.ClientSession, desk: Desk) -> None:
        self._login = login
        self._session = session
        self._desk = desk

    async def prove(self) -> None:
        """Log in and out again; raises ApiError."""
        async with open_connection(self._session, self._login):
            return

    async def hold(self) -> None:
        """Hold the connection until it ends.

        Raises ApiError, ReplacedError or StoreUnavailableError.
        """
        try:
            async with (
                open_connection(self._session, self._login) as connection,
                asyncio.TaskGroup() as group,
            ):
                log.info("wecom ai bot connected", account=self._login.account)
                session = Session(self._desk, connection, group)
                group.create_task(self._turn_away(connection, session))
                try:
                    await session.resume()
                    while True:
                        honour_cancellation()
                        await self._take(await connection.next(), session)
                finally:  # WeCom does not bring again what was heard, whatever ended it
                    for callback in connection.left():
                        await self._take(callback, session)
                    await session.settle()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _turn_away(self, connection: Connection, session: Session) -> None:
        """Tell those who came when there was too much to do."""
        while True:
            honour_cancellation()
            callback = await connection.turned_away()
            event = self._understood(callback)
            if isinstance(event, Asked | Chosen):
                await session.turn_away(callback.request, event)

    async def _take(self, callback: Callback, session: Session) -> None:
        event = self._understood(callback)
        if event:
            await session.take(callback.request, event)

    def _understood(self, callback: Callback) -> Understood | None:
        """What is to be served; raises ReplacedError."""
        try:
            payload = read_payload(callback.body)
        except BadPayloadError:
            log.warning("callback not understood", command=callback.command)
            return None
        event = understand(payload, self._login.account, time.time())
        if isinstance(event, Replaced):
            raise ReplacedError
        return event
