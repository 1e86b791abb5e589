"""The long connection of an AI bot: frames of JSON, each answered by one with the same request id.

The vendor's Python SDK (1.0.2) is not used: it cannot be pointed at another server, and does not
come back after a normal close. Times and limits are those of its code and of
developer.work.weixin.qq.com/document/path/101463.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import structlog

from bots.wecom.errors import (
    TOO_MANY,
    ApiError,
    AwayError,
    RefusedError,
    TokenError,
    TooManyError,
    error_of,
)
from core.tasks import beside

log = structlog.get_logger()

LOGIN_SECONDS = 10.0
ANSWER_SECONDS = 5.0
PING_SECONDS = 30.0
LARGEST_FRAME = 4 * 1024 * 1024
MOST_HEARD = 500
"""Callbacks that wait to be served: some seconds' worth while Redis is away."""
MOST_TURNED_AWAY = 100
"""Callbacks above them that wait to be told that they were not taken."""
TOO_MANY_SECONDS = 2.0
_NO_ANSWER = -1
"""WeCom's own code for "busy, repeat"."""
NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Callback:
    """A frame of WeCom's own; answers to it carry its `request`."""

    command: str
    request: str
    body: object


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects, and where."""

    account: str
    url: str
    bot: str
    secret: str = field(repr=False)


class Connection:
    """A connection that is open."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked: dict[str, asyncio.Future[int]] = {}
        self._heard: asyncio.Queue[Callback | None] = asyncio.Queue()
        """What was heard, in order; None is the end."""
        self._turned_away: asyncio.Queue[Callback] = asyncio.Queue()

    async def ask(
        self,
        command: str,
        body: Mapping[str, object] = NOTHING,
        request: str = "",
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Send a frame and wait for its answer; raises ApiError.

        One after another with the same `request`, which is that of a callback or a new one.
        """
        request = request or uuid4().hex
        if request in self._asked:
            raise AwayError(f"{command}: another frame with its id is not answered yet")
        frame: dict[str, Any] = {"cmd": command, "headers": {"req_id": request}}
        answer = self._asked[request] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._socket.send_str(
                    json.dumps(frame | ({"body": body} if body else {}), ensure_ascii=False)
                )
                code = await answer
        except (TimeoutError, ConnectionError, OSError, aiohttp.ClientError) as error:
            raise AwayError(f"{command}: {type(error).__name__}") from None
        finally:
            del self._asked[request]
        if code in TOO_MANY:
            raise TooManyError(TOO_MANY_SECONDS, code)
        if code:
            wrong = error_of(command, code)
            # There is no access token here that could be renewed.
            raise RefusedError(command, code) if isinstance(wrong, TokenError) else wrong

    async def next(self) -> Callback:
        """Wait for what WeCom says of its own accord; raises AwayError at the connection's end."""
        callback = await self._heard.get()
        if callback is None:
            raise AwayError("the connection ended")
        return callback

    async def turned_away(self) -> Callback:
        """Wait for what came while too much else waited for `next`."""
        return await self._turned_away.get()

    def left(self) -> list[Callback]:
        """Take what `next` would still give at once."""
        left = [self._heard.get_nowait() for _ in range(self._heard.qsize())]
        return [callback for callback in left if callback]

    async def read(self) -> None:
        """Read until the connection ends; what was heard before stays to be taken."""
        while (frame := await self._socket.receive()).type is aiohttp.WSMsgType.TEXT:
            self._take(_read(frame.data))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(_NO_ANSWER)
        self._heard.put_nowait(None)

    async def keep(self) -> None:
        """Show from time to time that we are there; raises AwayError when WeCom is not."""
        missed = 0
        while missed < 2:
            await asyncio.sleep(PING_SECONDS)
            try:
                await self.ask("ping")
                missed = 0
            except ApiError:
                missed += 1
        raise AwayError("two pings were not answered")

    def _take(self, frame: dict[str, Any]) -> None:
        headers = frame.get("headers")
        request = headers.get("req_id") if isinstance(headers, dict) else None
        if not isinstance(request, str):
            return
        if isinstance(command := frame.get("cmd"), str):
            self._hear(Callback(command, request, frame.get("body")))
            return
        answer, code = self._asked.get(request), frame.get("errcode")
        if answer and not answer.done():
            answer.set_result(code if isinstance(code, int) else _NO_ANSWER)

    def _hear(self, callback: Callback) -> None:
        """Keep a callback. Not to read on instead would keep the answers to our frames away too."""
        if self._heard.qsize() < MOST_HEARD:
            self._heard.put_nowait(callback)
            return
        log.warning("callback turned away", command=callback.command)
        if self._turned_away.qsize() < MOST_TURNED_AWAY:
            self._turned_away.put_nowait(callback)


@asynccontextmanager
async def open_connection(
    session: aiohttp.ClientSession, login: Login
) -> AsyncGenerator[Connection, None]:
    """Connect and log in; whoever was connected before is sent away. Raises ApiError.

    In the body AwayError comes up when pings are not answered any more.
    """
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            socket = await session.ws_connect(login.url, max_msg_size=LARGEST_FRAME)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise AwayError(f"{login.url}: {type(error).__name__}") from None
    try:
        connection = Connection(socket)
        async with beside(connection.read()):
            who = {"bot_id": login.bot, "secret": login.secret}
            await connection.ask("aibot_subscribe", who, seconds=LOGIN_SECONDS)
            async with beside(connection.keep()):
                yield connection
    finally:
        await socket.close()


def _read(data: str) -> dict[str, Any]:
    """The object in a frame; empty if there is none."""
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return frame if isinstance(frame, dict) else {}
