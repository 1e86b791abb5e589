"""An AI bot (智能机器人) at WeCom and what people do with it.

It is called back and asked to refresh its streams, or holds a connection of its own.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from peers.wecom_aibot_socket import Socket
from peers.wecom_callbacks import Courier, Delivery, Endpoint, Try, signature_of
from peers.wecom_exchange import LATER_SECONDS, STREAM_SECONDS, Exchange
from peers.wecom_wire import Body, Clock, Ids, RefusedError, invalid, size
from wechatpy.crypto.base import WeChatCipher
from wechatpy.crypto.pkcs7 import PKCS7Encoder

IN_FLIGHT = 3
"""Messages of one person that one bot may be answering."""
LATER_BYTES = 20_480
FILE_SECONDS = 300.0


class TooManyInFlightError(Exception):
    """The client lets nobody send so many messages before the answers."""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file as its address gives it out, encrypted."""

    data: bytes
    ends_at: float


class AiBot:
    """One AI bot; each verb returns the exchange it began."""

    def __init__(
        self, bot_id: str, endpoint: Endpoint, secret: str, courier: Courier, clock: Clock
    ) -> None:
        self.id = bot_id
        self.name = "客服助手"
        self.endpoint = endpoint
        self.secret = secret
        """Logs a long connection in."""
        self.url = ""
        """Address of the peer, without a path."""
        self.refresh_seconds = 0.5
        """Between two refreshes of a stream."""
        self.exchanges: list[Exchange] = []
        self.files: dict[str, SealedFile] = {}
        self.news = courier.news
        self.clock = clock
        self.socket = Socket(bot_id, secret, clock, self.news)
        self._ids = Ids()
        self._courier = courier
        self._codes: dict[str, Exchange] = {}

    def asks(self, user: str, text: str, chat: str = "", **more: Any) -> Exchange:
        """Let a person write to the bot, in a group with its name before the text."""
        content = f"@{self.name} {text}" if chat else text
        return self.sends(user, "text", {"content": content}, chat, **more)

    def sends(
        self, user: str, msgtype: str, content: Body, chat: str = "", **more: Any
    ) -> Exchange:
        """Let a person send anything; `quote` can be given."""
        open_ones = [x for x in self.exchanges if x.user == user and not x.over and not x.awaits]
        if len(open_ones) >= IN_FLIGHT:
            raise TooManyInFlightError
        return self._begin(user, msgtype, content, chat, with_later=True, **more)

    def shares(self, user: str, msgtype: str, data: bytes, **more: Any) -> Exchange:
        """Let a person send a picture or a file."""
        return self.sends(user, msgtype, self.seal_file(data), **more)

    def seal_file(self, data: bytes) -> Body:
        """Put a file at an address for five minutes, encrypted with the bot's key."""
        name = self._ids.new("file")
        key = self.endpoint.key
        sealed = WeChatCipher(key).encrypt(PKCS7Encoder.encode(data))
        self.files[name] = SealedFile(sealed, self.clock.now() + FILE_SECONDS)
        place = {"url": f"{self.url}/aibot/media/{self.id}/{name}"}
        return place | ({"aeskey": self.endpoint.aes_key} if self.socket.is_used else {})

    def repeats(self, exchange: Exchange) -> None:
        """Bring a message again that was not taken."""
        exchange.offences.clear()
        exchange.over = False
        self._courier.begin(self._converse(exchange))

    def enters(self, user: str) -> Exchange:
        """Let a person open the chat with the bot for the first time that day."""
        return self.happens(user, "enter_chat")

    def rates(self, exchange: Exchange, kind: int, content: str = "") -> Exchange:
        """Let a person press a thumb: 1 up, 2 down, 3 withdrawn."""
        feedback = {"id": exchange.feedback_id, "type": kind, "content": content}
        return self.happens(exchange.user, "feedback_event", feedback)

    def presses(self, user: str, event_key: str, task_id: str, **more: Any) -> Exchange:
        """Let a person press a button of a card."""
        press = {"event_key": event_key, "task_id": task_id, "card_type": "button_interaction"}
        return self.happens(user, "template_card_event", press | more, with_later=True)

    def happens(
        self, user: str, kind: str, about: Body | None = None, *, with_later: bool = False
    ) -> Exchange:
        """Let an event happen, known or not."""
        event = {"eventtype": kind} | ({kind: about} if about is not None else {})
        return self._begin(user, "event", event, with_later=with_later)

    def _begin(
        self,
        user: str,
        msgtype: str,
        content: Body,
        chat: str = "",
        *,
        with_later: bool = False,
        **more: Any,
    ) -> Exchange:
        payload = self._envelope(user, msgtype, content, chat) | more
        exchange = Exchange(payload, self.clock.now())
        if with_later and not self.socket.is_used:
            code = f"RC{self.id}{self._ids.new('-')}"
            self._codes[code] = exchange
            where = f"{self.url}/cgi-bin/aibot/response?response_code={code}"
            payload["response_url"] = where
        self.exchanges.append(exchange)
        if self.socket.is_used:
            self._courier.begin(self.socket.bring(exchange))
        elif self.endpoint.url:
            self._courier.begin(self._converse(exchange))
        return exchange

    def _envelope(self, user: str, msgtype: str, content: Body, chat: str = "") -> Body:
        place: Body = {"chattype": "group", "chatid": chat} if chat else {"chattype": "single"}
        return {
            "msgid": self._ids.new("CAI"),
            "create_time": int(self.clock.now()),
            "aibotid": self.id,
            **place,
            "from": {"userid": user},
            "msgtype": msgtype,
            msgtype: content,
        }

    async def _converse(self, exchange: Exchange) -> None:
        """Bring it, and ask for more of the answer until it is whole or six minutes are over."""
        exchange.acked_in = await self._call(exchange, exchange.payload)
        while exchange.stream_id and not exchange.finished:
            await asyncio.sleep(self.refresh_seconds)
            if self.clock.now() > exchange.at + STREAM_SECONDS:
                exchange.timed_out = True
                break
            exchange.refreshes += 1
            about = {"id": exchange.stream_id}
            chat = str(exchange.payload.get("chatid", ""))
            await self._call(exchange, self._envelope(exchange.user, "stream", about, chat))
        exchange.over = True
        self.news.tell()

    async def _call(self, exchange: Exchange, payload: Body) -> float:
        """Bring one callback and show what was answered; seconds of the last try, if taken."""
        delivery = Delivery(json.dumps(payload, ensure_ascii=False))
        if self._courier.remember:
            self._courier.deliveries.append(delivery)
        await self._courier.deliver(self.endpoint, delivery)
        if not delivery.acked:
            exchange.offences.append("not taken")
        elif delivery.tries[-1].body:
            self._read(exchange, delivery.tries[-1])
        self.news.tell()
        return delivery.tries[-1].seconds if delivery.acked else 0.0

    def _read(self, exchange: Exchange, seen: Try) -> None:
        try:
            sealed = json.loads(seen.body)
            given = (str(sealed["timestamp"]), str(sealed["nonce"]), sealed["encrypt"])
            if signature_of(self.endpoint.token, *given) != sealed["msgsignature"]:
                exchange.offences.append("wrongly signed")
                return
            reply = json.loads(self.endpoint.decrypt(sealed["encrypt"]))
        except (ValueError, KeyError, TypeError):
            exchange.offences.append("unreadable")
            return
        if reply:
            exchange.take(reply)

    def answer_later(self, code: str, body: Body) -> Body:
        """Take what comes through a `response_url`: once, within an hour."""
        exchange = self._codes.get(code)
        if exchange is None or exchange.at + LATER_SECONDS < self.clock.now():
            raise RefusedError(40029, "invalid response_code")
        if body.get("msgtype") not in {"markdown", "template_card"}:
            raise RefusedError(40008, "invalid message type")
        content = body.get("markdown", {}).get("content", "")
        if body["msgtype"] == "markdown" and not 1 <= size(content) <= LATER_BYTES:
            raise invalid("invalid content size")
        del self._codes[code]
        exchange.later.append(body)
        self.news.tell()
        return {}

    def knows(self, code: str) -> bool:
        """Say whether the code of a `response_url` is one of this bot's."""
        return code in self._codes

    def give_file(self, name: str) -> web.Response:
        """Give out an encrypted file."""
        file = self.files.get(name)
        if file is None or file.ends_at < self.clock.now():
            return web.Response(status=403)
        return web.Response(body=file.data)
