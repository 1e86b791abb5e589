"""The long connection of an AI bot: one holder, acknowledged frames, pings, uploads.

Path 101463 of https://developer.work.weixin.qq.com/document and the vendor's SDK for Python.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from aiohttp import WSMsgType, web
from peers.telegram_wire import News
from peers.wecom_exchange import STREAM_BYTES, STREAM_SECONDS, Exchange
from peers.wecom_wire import Body, Clock, size

LOGIN_SECONDS = 10.0
EVENT_SECONDS = 5.0
"""A greeting or an updated card comes within this."""
FRAME_BYTES = 2 * 1_048_576
CHUNK_BYTES = 512 * 1024
MOST_CHUNKS = 100
BAD_LOGIN, CONFLICT, NO_SUCH_REQUEST, STREAM_OVER = 853000, 6000, 846605, 846608
"""The first is not in any document; an adapter may rely on its not being 0 only."""
BAD_PARAMETER = 40058
SENDABLE = {"markdown", "template_card", "image", "file", "voice", "video"}


@dataclass(slots=True)
class Upload:
    """A file on its way, piece by piece."""

    about: Body
    chunks: dict[int, bytes] = field(default_factory=dict)


class Socket:
    """The connection of one bot and what goes over it."""

    def __init__(self, bot_id: str, secret: str, clock: Clock, news: News) -> None:
        self.is_used = False
        """The bot is in long-connection mode; callbacks and this exclude each other."""
        self.frames: list[Body] = []
        """What came in, in order."""
        self.pushed: list[Body] = []
        """The bodies of `aibot_send_msg` that were shown."""
        self.media: dict[str, bytes] = {}
        """Uploaded files by `media_id`."""
        self.logins = 0
        self.kicked = 0
        """Connections that another one took the place of."""
        self.mute = False
        """Answer nothing: neither pings nor replies."""
        self.ack_seconds = 0.0
        """Before a reply is acknowledged."""
        self.chats: set[str] = set()
        """Where the bot may write without being asked."""
        self.refusals: list[tuple[str, int]] = []
        """Commands whose next frame is refused, and with what."""
        self._secret = secret
        self._bot_id = bot_id
        self._clock = clock
        self._news = news
        self._numbers = count(1)
        self._holder: web.WebSocketResponse | None = None
        self._asked: dict[str, Exchange] = {}
        self._busy: set[str] = set()
        self._uploads: dict[str, Upload] = {}
        self._commands: dict[str, Callable[[str, Body], Body | int]] = {
            "ping": lambda _request, _body: {},
            "aibot_respond_msg": self._respond,
            "aibot_respond_welcome_msg": self._respond_soon,
            "aibot_respond_update_msg": self._respond_soon,
            "aibot_send_msg": self._send,
            "aibot_upload_media_init": self._begin_upload,
            "aibot_upload_media_chunk": self._take_chunk,
            "aibot_upload_media_finish": self._end_upload,
        }

    @property
    def is_open(self) -> bool:
        """Whether somebody holds the connection."""
        return self._holder is not None

    def admits(self, login: Body) -> bool:
        """Say whether a login is right."""
        body = login.get("body", {})
        given = (login.get("cmd"), body.get("bot_id"), body.get("secret"))
        return self.is_used and given == ("aibot_subscribe", self._bot_id, self._secret)

    async def hold(self, ws: web.WebSocketResponse, login: Body) -> None:
        """Serve a connection that logged in until it ends; the one before it is sent away."""
        await self._send_away()
        self._holder = ws
        self.logins += 1
        await ws.send_json(_answer(login, {}))
        self._news.tell()
        try:
            async with asyncio.TaskGroup() as tasks:
                async for message in ws:
                    if message.type == WSMsgType.TEXT:
                        tasks.create_task(self._take(ws, json.loads(message.data)))
        finally:
            if self._holder is ws:
                self._holder = None
            self._news.tell()

    async def bring(self, exchange: Exchange) -> None:
        """Bring a message or an event; what nobody is there to take is lost."""
        self.chats.add(exchange.chat)
        request = f"q{next(self._numbers)}"
        self._asked[request] = exchange
        if self._holder is not None:
            with suppress(ConnectionResetError):
                await self._push(self._holder, request, exchange.payload)
                return
        exchange.offences.append("not taken")
        exchange.over = True
        self._news.tell()

    async def bring_again(self, exchange: Exchange) -> None:
        """Bring the same message once more, with another request id."""
        exchange.over = False
        await self.bring(exchange)

    def cut(self) -> None:
        """Break the connection without a word."""
        if self._holder is not None and self._holder._req is not None:
            transport = self._holder._req.transport
            self._holder = None
            if transport is not None:
                transport.abort()

    async def _send_away(self) -> None:
        old = self._holder
        if old is None or old.closed:
            return
        self.kicked += 1
        self._holder = None
        event = {"eventtype": "disconnected_event"}
        gone = {"msgid": f"D{next(self._numbers)}", "aibotid": self._bot_id, "msgtype": "event"}
        await self._push(old, f"d{next(self._numbers)}", gone | {"event": event})
        await old.close()

    async def _push(self, ws: web.WebSocketResponse, request: str, payload: Body) -> None:
        kind = "event" if payload["msgtype"] == "event" else "msg"
        head = {"cmd": f"aibot_{kind}_callback", "headers": {"req_id": request}}
        await ws.send_json(head | {"body": payload})

    async def _take(self, ws: web.WebSocketResponse, frame: Body) -> None:
        self.frames.append(frame)
        self._news.tell()
        if self.mute:
            return
        request = str(frame.get("headers", {}).get("req_id", ""))
        if request in self._busy:
            result: Body | int = CONFLICT
        else:
            self._busy.add(request)
            result = self._perform(str(frame.get("cmd")), request, frame.get("body", {}))
            if self.ack_seconds and frame.get("cmd") != "ping":
                await asyncio.sleep(self.ack_seconds)
            self._busy.discard(request)
        if not ws.closed:
            await ws.send_json(_answer(frame, result))
        self._news.tell()

    def _perform(self, cmd: str, request: str, body: Body) -> Body | int:
        for refusal in self.refusals:
            if refusal[0] == cmd:
                self.refusals.remove(refusal)
                return refusal[1]
        command = self._commands.get(cmd)
        return BAD_PARAMETER if command is None else command(request, body)

    def _respond(self, request: str, body: Body) -> Body | int:
        exchange = self._asked.get(request)
        if exchange is None:
            return NO_SUCH_REQUEST
        if exchange.at + STREAM_SECONDS < self._clock.now():
            exchange.timed_out = exchange.over = True
            return STREAM_OVER
        if not exchange.take(body):
            return BAD_PARAMETER
        exchange.over = exchange.finished or "stream" not in body
        return {}

    def _respond_soon(self, request: str, body: Body) -> Body | int:
        exchange = self._asked.get(request)
        if exchange is None or exchange.at + EVENT_SECONDS < self._clock.now():
            return NO_SUCH_REQUEST
        exchange.over = True
        return {} if exchange.take(body) else BAD_PARAMETER

    def _send(self, _request: str, body: Body) -> Body | int:
        msgtype = body.get("msgtype")
        content = body.get(str(msgtype))
        if body.get("chatid") not in self.chats or msgtype not in SENDABLE:
            return BAD_PARAMETER
        if not isinstance(content, dict):
            return BAD_PARAMETER
        if msgtype == "markdown" and not 1 <= size(content.get("content", "")) <= STREAM_BYTES:
            return BAD_PARAMETER
        if "media_id" in content and content["media_id"] not in self.media:
            return BAD_PARAMETER
        self.pushed.append(body | {"at": time.monotonic()})
        return {}

    def _begin_upload(self, _request: str, body: Body) -> Body | int:
        if not 1 <= int(body.get("total_chunks", 0)) <= MOST_CHUNKS:
            return BAD_PARAMETER
        upload_id = f"UP{next(self._numbers)}"
        self._uploads[upload_id] = Upload(body)
        return {"upload_id": upload_id}

    def _take_chunk(self, _request: str, body: Body) -> Body | int:
        upload = self._uploads.get(str(body.get("upload_id")))
        data = base64.b64decode(body.get("base64_data", ""))
        index = body.get("chunk_index")
        if upload is None or len(data) > CHUNK_BYTES or not isinstance(index, int):
            return BAD_PARAMETER
        if not 0 <= index < int(upload.about["total_chunks"]):
            return BAD_PARAMETER
        upload.chunks[index] = data
        return {}

    def _end_upload(self, _request: str, body: Body) -> Body | int:
        upload = self._uploads.pop(str(body.get("upload_id")), None)
        if upload is None:
            return BAD_PARAMETER
        data = b"".join(upload.chunks[index] for index in sorted(upload.chunks))
        given = (len(data), hashlib.md5(data).hexdigest())
        if given != (upload.about.get("total_size"), upload.about.get("md5")):
            return BAD_PARAMETER
        media_id = f"WSMEDIA{next(self._numbers)}"
        self.media[media_id] = data
        return {"media_id": media_id, "type": upload.about.get("type")}


async def serve_socket(
    find: Callable[[str], Socket | None], request: web.Request
) -> web.WebSocketResponse:
    """Serve whoever connects: first a login, then the bot's connection."""
    ws = web.WebSocketResponse(max_msg_size=FRAME_BYTES)
    await ws.prepare(request)
    try:
        login = await ws.receive_json(timeout=LOGIN_SECONDS)
    except (TypeError, ValueError, TimeoutError):
        await ws.close()
        return ws
    socket = find(str(login.get("body", {}).get("bot_id")))
    if socket is None or not socket.admits(login):
        await ws.send_json(_answer(login, BAD_LOGIN))
        await ws.close()
    else:
        await socket.hold(ws, login)
    return ws


def _answer(frame: Body, result: Body | int) -> Body:
    """Build the answer to a frame: with a body, or with an `errcode`."""
    head: Body = {"headers": {"req_id": frame.get("headers", {}).get("req_id", "")}}
    if isinstance(result, int):
        return head | {"errcode": result, "errmsg": "refused"}
    return head | {"errcode": 0, "errmsg": "ok"} | ({"body": result} if result else {})
