"""Socket Mode of the fake Slack: connections, envelopes and their acks."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import WSMessage, WSMsgType, web
from peers.slack_records import Body, Bot
from peers.slack_state import Workspace

MOST = 10
"""Connections an app may have open; see https://docs.slack.dev/apis/events-api/using-socket-mode."""

Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]


@dataclass(slots=True, eq=False)
class Connection:
    """One WebSocket of an app."""

    bot: Bot
    socket: web.WebSocketResponse
    request: web.Request
    leaving: bool = False
    """It was told to go: it gets no more events."""
    pings: int = 0
    """Pings that came from the app."""
    sent: list[Body] = field(default_factory=list)
    """Envelopes in order; empty where the peer does not remember."""
    late_acks: list[str] = field(default_factory=list)
    """Acks of envelopes nobody waits for any more."""
    waiting: dict[str, asyncio.Future[Body]] = field(default_factory=dict)

    async def send(self, envelope: Body, seconds: float) -> Body:
        """Send an envelope and return its ack.

        Raises TimeoutError without an ack in time, ConnectionError where the connection ends.
        """
        ack: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self.waiting[envelope["envelope_id"]] = ack
        try:
            async with asyncio.timeout(seconds):
                await self.socket.send_str(json.dumps(envelope))
                return await ack
        finally:
            del self.waiting[envelope["envelope_id"]]
            if ack.done() and not ack.cancelled():
                ack.exception()

    def hear(self, text: str) -> None:
        """Take an ack."""
        body = json.loads(text)
        envelope_id = str(body.get("envelope_id"))
        ack = self.waiting.get(envelope_id)
        if ack is None or ack.done():
            self.late_acks.append(envelope_id)
        else:
            ack.set_result(body)

    def lose(self) -> None:
        """Fail what waits for an ack."""
        for ack in self.waiting.values():
            if not ack.done():
                ack.set_exception(ConnectionResetError("the connection ended before the ack"))

    def abort(self) -> None:
        """End the connection without a close frame."""
        self.leaving = True
        if self.request.transport is not None:
            self.request.transport.abort()


class Sockets:
    """Every open connection; each event goes to one of its app, in turn."""

    def __init__(self, peer: Workspace) -> None:
        self.open: list[Connection] = []
        self.opened = 0
        """Connections there ever were."""
        self.mute = False
        """Leave pings unanswered."""
        self._peer = peer
        self._turn: Iterator[int] = itertools.count()

    def of(self, bot: Bot) -> list[Connection]:
        """Return the connections of an app that take events."""
        return [c for c in self.open if c.bot is bot and not c.leaving]

    async def pick(self, bot: Bot, seconds: float) -> Connection:
        """Return the connection whose turn it is; TimeoutError if none opens in time."""
        await self._peer.wait_for(lambda: self.of(bot), seconds)
        ready = self.of(bot)
        return ready[next(self._turn) % len(ready)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection; its ticket is good once."""
        bot = self._peer.tickets.pop(request.match_info["ticket"], None)
        if bot is None or self._peer.is_down:
            return web.Response(status=self._peer.down_status or 404)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        connection = Connection(bot, socket, request)
        if len(self.of(bot)) >= MOST:
            await self.tell(connection, "too_many_websockets")
            await socket.close()
            return socket
        await socket.send_str(json.dumps(hello(bot, len(self.of(bot)) + 1)))
        self.open.append(connection)
        self.opened += 1
        await self._peer.note()
        try:
            async for frame in socket:
                await self._take(connection, frame)
        finally:
            self.open.remove(connection)
            connection.lose()
            await self._peer.note()
        return socket

    async def tell(self, connection: Connection, reason: Reason) -> None:
        """Send a `disconnect` frame; only a warning leaves the connection in use."""
        connection.leaving = reason != "warning"
        frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "wss-peer"}}
        with suppress(ConnectionError):
            await connection.socket.send_str(json.dumps(frame))

    async def refresh(self, bot: Bot, reason: Reason = "refresh_requested") -> None:
        """Tell every connection of an app to go, as Slack does every few hours."""
        for connection in self.of(bot):
            await self.tell(connection, reason)

    def drop(self, bot: Bot | None = None) -> None:
        """End connections hard."""
        for connection in list(self.open):
            if bot is None or connection.bot is bot:
                connection.abort()

    async def _take(self, connection: Connection, frame: WSMessage) -> None:
        if frame.type is WSMsgType.PING:
            connection.pings += 1
            if not self.mute:
                await connection.socket.pong(frame.data)
        elif frame.type is WSMsgType.TEXT:
            connection.hear(frame.data)


def hello(bot: Bot, number: int) -> Body:
    """Build the first frame of a connection."""
    return {
        "type": "hello",
        "num_connections": number,
        "debug_info": {
            "host": "applink-peer",
            "build_number": 1,
            "approximate_connection_time": 18060,
        },
        "connection_info": {"app_id": bot.app_id},
    }
