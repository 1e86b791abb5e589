"""How the fake Slack brings events, commands and clicks to an app, and how often it tries.

See https://docs.slack.dev/apis/events-api: an answer of 2xx within three seconds, else three more
tries. Commands and clicks are tried once.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from peers.slack_records import Body, Bot, Message
from peers.slack_socket import Sockets
from peers.slack_state import Workspace

Kind = Literal["events_api", "slash_commands", "interactive"]


@dataclass(slots=True)
class Try:
    """One try of a delivery."""

    at: float
    """Seconds of `time.time`."""
    seconds: float = 0.0
    """Until the answer."""
    status: int = 0
    """The HTTP status; 200 for an ack in Socket Mode, 0 without an answer."""
    reason: str | None = None
    """Why it failed, in Slack's words; None where it was acknowledged."""
    body: str = ""
    """What the app answered."""
    headers: dict[str, str] = field(default_factory=dict)
    """The headers that were sent."""
    raw: bytes = b""
    """The body that was sent."""
    final: bool = False
    """The app asked for no further try."""


@dataclass(slots=True)
class Delivery:
    """Something brought to an app."""

    bot: Bot
    kind: Kind
    payload: Body
    tries: list[Try] = field(default_factory=list)

    @property
    def acked(self) -> bool:
        """The last try was acknowledged."""
        return bool(self.tries) and self.tries[-1].reason is None

    @property
    def event(self) -> Body:
        """The event inside, if it is one."""
        event = self.payload.get("event")
        return event if isinstance(event, dict) else {}

    @property
    def event_id(self) -> str:
        """The id of the event; the same in every try."""
        return str(self.payload.get("event_id", ""))

    @property
    def ts(self) -> str:
        """The timestamp of the message inside."""
        return str(self.event.get("ts", ""))

    @property
    def channel(self) -> str:
        """The channel of the event inside."""
        return str(self.event.get("channel", ""))

    @property
    def answer(self) -> Body:
        """What a command or click was acknowledged with; empty for an empty or other body."""
        try:
            body = json.loads(self.tries[-1].body) if self.tries else {}
        except ValueError:
            return {"text": self.tries[-1].body} if self.acked else {}
        return body if isinstance(body, dict) else {}


class Courier(Workspace):
    """A workspace that brings things to its apps: over HTTP where a URL is set, else sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        """Address of the peer, without a path."""
        self.deliveries: list[Delivery] = []
        self.ack_seconds = 3.0
        """How long an app has for its answer."""
        self.retry_delays: tuple[float, ...] = (0.0, 0.05, 0.2)
        """Seconds before each further try of an event; Slack's are 0, 60 and 300."""
        self.sockets = Sockets(self)
        self.session: aiohttp.ClientSession | None = None

    def deliver_to(self, url: str | None, bot: Bot | None = None) -> None:
        """Set the request URL of one app or of all; None is Socket Mode."""
        for one in self.bots if bot is None else [bot]:
            one.request_url = url

    async def deliver(self, bot: Bot, kind: Kind, payload: Body) -> Delivery:
        """Bring a payload to an app; return when it was acknowledged or given up."""
        delivery = Delivery(bot, kind, payload)
        if self.remember:
            self.deliveries.append(delivery)
        delays = (0.0, *self.retry_delays) if kind == "events_api" else (0.0,)
        for number, delay in enumerate(delays):
            await asyncio.sleep(delay)
            reason = delivery.tries[-1].reason if delivery.tries else None
            last = await self._try(delivery, number, reason)
            delivery.tries.append(last)
            await self.note()
            if last.reason is None or last.final:
                break
        self._show_answer(delivery)
        return delivery

    async def verify_url(self, bot: Bot | None = None) -> bool:
        """Ask an app's URL for the challenge, as Slack does when the URL is set."""
        bot = bot or self.bots[0]
        challenge = self.new_id("challenge")
        body = {"token": "legacy", "challenge": challenge, "type": "url_verification"}
        seen = await self.post(bot, encode("events_api", body), "application/json")
        return seen.status == 200 and challenge in seen.body

    async def forge(
        self,
        payload: Body | bytes,
        bot: Bot | None = None,
        *,
        kind: Kind = "events_api",
        secret: str | None = None,
        age: float = 0.0,
        signature: str | None = None,
        mutate: Callable[[bytes], bytes] = bytes,
        drop: tuple[str, ...] = (),
    ) -> Try:
        """Send one request as an attacker would, without a further try.

        `secret` signs with another secret, `age` dates the signature so many seconds back,
        `signature` stands instead of the right one, `mutate` changes the body after it was signed,
        and headers in `drop` are left out.
        """
        bot = bot or self.bots[0]
        raw = payload if isinstance(payload, bytes) else encode(kind, payload)
        headers = sign(raw, secret or bot.signing_secret, age)
        if signature is not None:
            headers["X-Slack-Signature"] = signature
        headers = {name: value for name, value in headers.items() if name not in drop}
        return await self._post(bot, mutate(raw), headers | {"Content-Type": content_type(kind)})

    async def replay(self, delivery: Delivery) -> Try:
        """Send the last try of a delivery again, byte for byte, signature and time included."""
        last = delivery.tries[-1]
        return await self._post(delivery.bot, last.raw, last.headers)

    async def post(self, bot: Bot, raw: bytes, content_type: str, number: int = 0) -> Try:
        """Send one signed request."""
        headers = sign(raw, bot.signing_secret) | {"Content-Type": content_type}
        return await self._post(bot, raw, headers)

    async def _try(self, delivery: Delivery, number: int, reason: str | None) -> Try:
        bot = delivery.bot
        if bot.request_url is None:
            return await self._try_socket(delivery, number, reason)
        raw = encode(delivery.kind, delivery.payload)
        headers = sign(raw, bot.signing_secret) | {"Content-Type": content_type(delivery.kind)}
        if number:
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": str(reason)}
        return await self._post(bot, raw, headers)

    async def _post(self, bot: Bot, raw: bytes, headers: dict[str, str]) -> Try:
        seen = Try(time.time(), headers=headers, raw=raw)
        start = time.perf_counter()
        assert self.session is not None
        assert bot.request_url is not None
        try:
            async with self.session.post(
                bot.request_url,
                data=raw,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self.ack_seconds),
                max_redirects=2,
            ) as response:
                seen.body = await response.text(errors="replace")
                seen.status = response.status
                seen.final = response.headers.get("X-Slack-No-Retry") == "1"
                seen.reason = None if 200 <= response.status < 300 else "http_error"
        except TimeoutError:
            seen.reason = "http_timeout"
        except aiohttp.TooManyRedirects:
            seen.reason = "too_many_redirects"
        except aiohttp.ClientError:
            seen.reason = "connection_failed"
        seen.seconds = time.perf_counter() - start
        return seen

    async def _try_socket(self, delivery: Delivery, number: int, reason: str | None) -> Try:
        seen = Try(time.time())
        start = time.perf_counter()
        envelope: Body = {
            "envelope_id": self.new_id("envelope"),
            "type": delivery.kind,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": reason or ""}
        try:
            connection = await self.sockets.pick(delivery.bot, self.ack_seconds)
            if self.remember:
                connection.sent.append(envelope)
            ack = await connection.send(envelope, self.ack_seconds)
            seen.status = 200
            seen.body = json.dumps(ack["payload"]) if ack.get("payload") else ""
        except TimeoutError:
            seen.reason = "timeout"
        except ConnectionError:
            seen.reason = "connection_failed"
        seen.seconds = time.perf_counter() - start
        return seen

    def _show_answer(self, delivery: Delivery) -> None:
        """Show the words a command was acknowledged with to who gave it."""
        text = delivery.answer.get("text")
        if delivery.kind == "slash_commands" and delivery.acked and text:
            payload, bot = delivery.payload, delivery.bot
            message = Message(payload["channel_id"], self.new_ts(), str(text), bot.user, bot.team)
            message.bot, message.seen_by = bot, payload["user_id"]
            message.blocks = list(delivery.answer.get("blocks") or [])
            self.ephemerals.append(message)


def encode(kind: Kind, payload: Body) -> bytes:
    """Write a payload as Slack does: events as JSON, commands as a form, clicks as JSON in one."""
    if kind == "events_api":
        return json.dumps(payload, ensure_ascii=False).encode()
    fields: dict[str, Any] = payload
    if kind == "interactive":
        fields = {"payload": json.dumps(payload, ensure_ascii=False)}
    return urlencode(fields).encode()


def content_type(kind: Kind) -> str:
    """Return the content type of a kind's body."""
    return "application/json" if kind == "events_api" else "application/x-www-form-urlencoded"


def sign(raw: bytes, secret: str, age: float = 0.0) -> dict[str, str]:
    """Return the headers of a signed request.

    See https://docs.slack.dev/authentication/verifying-requests-from-slack.
    """
    timestamp = str(int(time.time() - age))
    base = b"v0:" + timestamp.encode() + b":" + raw
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest(),
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
    }
