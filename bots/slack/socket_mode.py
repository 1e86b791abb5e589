"""Socket Mode: Slack's events over WebSockets that we open, acknowledged once they are safe.

slack-bolt's own handler and slack_sdk's client are not used. The one acknowledges by its listener's
return and the other starts tasks that nobody owns, repeats a ticket that is good once, closes a
connection before the next is open, logs addresses with tickets, and never says that it cannot
connect (slack_sdk 3.47, `slack_sdk.socket_mode.aiohttp`).

Slack ends every connection after some hours and says so before: then the next one is opened while
the old one is still heard (https://docs.slack.dev/apis/events-api/using-socket-mode).
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import aiohttp
import structlog
from slack_bolt.response import BoltResponse

from bots.adapter import ChannelDownError

log = structlog.get_logger()

HEARTBEAT_SECONDS = 10.0
"""A connection that leaves a ping unanswered for half of this time is dead."""
HELLO_SECONDS = 10.0
LINGER_SECONDS = 8.0
"""How long an old connection is still heard beside the new one."""
CALM_SECONDS = 5.0
"""A connection that stood this long is followed by the next at once."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
MOST_AT_ONCE = 64
LARGEST_FRAME = 4 * 1024 * 1024

Handle = Callable[[object], Awaitable[BoltResponse]]


class SocketMode:
    """The connections of one account."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        open_url: Callable[[], Awaitable[str]],
        handle: Handle,
        count: int,
    ) -> None:
        """`open_url` gives the address of a new connection; it raises ChannelDownError."""
        self._session = session
        self._open_url = open_url
        self._handle = handle
        self._count = count
        self._open = 0
        self._busy = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Hold all connections until cancelled; raises ChannelDownError when none can be had."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._count):
                    group.create_task(self._keep(group))
                # A child that fails while its group is being left would leave this task marked as
                # cancelled (TaskGroup of Python 3.11), so wait here.
                await asyncio.Event().wait()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _keep(self, group: asyncio.TaskGroup) -> None:
        """Hold one connection; another takes its place before it is gone."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                socket = await self._connect()
            except (ChannelDownError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if not self._open:
                    raise ChannelDownError(f"no connection: {_why(error)}") from error
                log.warning("slack connection failed", error=_why(error))
            else:
                leaving = asyncio.Event()
                group.create_task(self._hear(socket, leaving))
                await leaving.wait()
            if time.monotonic() - began > CALM_SECONDS:
                pause = FIRST_PAUSE_SECONDS
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        """Open a connection that said hello."""
        async with asyncio.timeout(HELLO_SECONDS):
            socket = await self._session.ws_connect(
                await self._open_url(), heartbeat=HEARTBEAT_SECONDS, max_msg_size=LARGEST_FRAME
            )
            kind: object = ""
            try:
                kind = _type_of(_read(await socket.receive()))
            finally:
                if kind != "hello":
                    await socket.close()
        if kind != "hello":
            raise ConnectionError("no hello")
        return socket

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, leaving: asyncio.Event) -> None:
        """Take envelopes until the connection ends; `leaving` asks for the next one."""
        self._open += 1
        try:
            async with asyncio.TaskGroup() as work, aclosing(_envelopes(socket, leaving)) as frames:
                async for envelope in frames:
                    await self._busy.acquire()
                    work.create_task(self._answer(socket, envelope))
        finally:
            self._open -= 1
            leaving.set()
            await socket.close()

    async def _answer(
        self, socket: aiohttp.ClientWebSocketResponse, envelope: dict[str, Any]
    ) -> None:
        """Handle one envelope; without the acknowledgement Slack brings it again."""
        try:
            response = await self._handle(envelope.get("payload"))
            if response.status != 200:
                return
            ack: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
            if response.body:
                ack["payload"] = json.loads(response.body)
            with suppress(ConnectionError):
                await socket.send_str(json.dumps(ack))
        finally:
            self._busy.release()


async def _envelopes(
    socket: aiohttp.ClientWebSocketResponse, leaving: asyncio.Event
) -> AsyncGenerator[dict[str, Any], None]:
    """The envelopes of a connection, for some more seconds after it was told to go."""
    deadline: float | None = None
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                frame = await socket.receive()
        except TimeoutError:
            return
        if frame.type is not aiohttp.WSMsgType.TEXT:
            return
        envelope = _read(frame)
        if _type_of(envelope) == "disconnect":
            leaving.set()
            deadline = deadline or asyncio.get_running_loop().time() + LINGER_SECONDS
        elif isinstance(envelope.get("envelope_id"), str):
            yield envelope


def _read(frame: aiohttp.WSMessage) -> dict[str, Any]:
    """The object in a frame; empty if there is none."""
    if frame.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        body = json.loads(frame.data)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _type_of(envelope: dict[str, Any]) -> object:
    return envelope.get("type")


def _why(error: Exception) -> str:
    """What went wrong, without the address, which holds a ticket."""
    return str(error) if isinstance(error, ChannelDownError) else type(error).__name__
