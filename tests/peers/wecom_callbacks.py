"""How WeCom brings callbacks: encrypted and signed by wechatpy's crypto, three tries of 5 s.

Path 90930 and 90238 of https://developer.work.weixin.qq.com/document: any status but 200, or no
answer in five seconds, is a failure.
"""

import asyncio
import base64
import hashlib
import io
import json
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from aiohttp import ClientError, ClientSession, ClientTimeout
from peers.telegram_wire import News
from wechatpy.crypto.base import WeChatCipher
from wechatpy.enterprise.crypto import PrpCrypto

Style = Literal["xml", "json"]
TRIES = 3
VERIFY_SECONDS = 1.0
ASK = {
    "ToUserName": "wwcorp1",
    "FromUserName": "lihua",
    "CreateTime": 1_700_000_000,
    "MsgType": "text",
    "Content": "怎么退货？",
    "MsgId": 7_420_000_000_000_000_001,
    "AgentID": 1000002,
}
"""What a member asks the app, as its callback says it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback as it goes over the wire."""

    query: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Try:
    """One try of a delivery."""

    letter: Letter
    at: float
    """Seconds of `time.monotonic`."""
    seconds: float = 0.0
    """Until the answer."""
    status: int = 0
    """0 without an answer."""
    body: str = ""

    @property
    def acked(self) -> bool:
        """The app took it."""
        return self.status == 200


@dataclass(slots=True)
class Delivery:
    """Something brought to an app."""

    payload: str
    """What was encrypted."""
    tries: list[Try] = field(default_factory=list)
    over: bool = False
    """It was taken or given up."""

    @property
    def acked(self) -> bool:
        """The last try was taken."""
        return bool(self.tries) and self.tries[-1].acked


class Endpoint:
    """A callback address with its token and key, as entered in the console."""

    def __init__(self, token: str, aes_key: str, receive_id: str, style: Style = "xml") -> None:
        self.token = token
        self.aes_key = aes_key
        self.receive_id = receive_id
        self.style: Style = style
        self.url = ""
        """Nothing is brought while it is empty."""

    @property
    def key(self) -> bytes:
        """The 32 bytes of the EncodingAESKey."""
        return base64.b64decode(self.aes_key + "=")

    def sign(self, encrypted: str, age: float = 0.0) -> dict[str, str]:
        """Return the query of a signed callback."""
        timestamp, nonce = str(int(time.time() - age)), secrets.token_hex(5)
        signature = signature_of(self.token, timestamp, nonce, encrypted)
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}

    def encrypt(self, text: str, receive_id: str | None = None) -> str:
        """Encrypt as WeCom does."""
        owner = self.receive_id if receive_id is None else receive_id
        return str(PrpCrypto(self.key).encrypt(text, owner).decode())

    def decrypt(self, encrypted: str) -> str:
        """Read what an app encrypted."""
        return str(PrpCrypto(self.key).decrypt(encrypted, self.receive_id))

    def wrap(self, encrypted: str) -> bytes:
        """Return the body of a callback."""
        if self.style == "json":
            return json.dumps({"encrypt": encrypted}).encode()
        fields = {"ToUserName": self.receive_id, "AgentID": "", "Encrypt": encrypted}
        return xml_of(fields).encode()

    def letter(self, text: str) -> Letter:
        """Make a callback of what is to be said."""
        encrypted = self.encrypt(text)
        return Letter(self.sign(encrypted), self.wrap(encrypted))

    def forged(
        self,
        text: str,
        *,
        token: str | None = None,
        receive_id: str | None = None,
        signature: str | None = None,
        age: float = 0.0,
        padding: bytes | None = None,
        mutate: Callable[[bytes], bytes] = bytes,
        drop: tuple[str, ...] = (),
    ) -> Letter:
        """Make a callback as an attacker would.

        `token` signs with another token, `receive_id` encrypts for somebody else, `signature`
        stands instead of the right one, `age` dates it so many seconds back, `padding` stands
        instead of PKCS#7 (the right signature over it), `mutate` changes the body after it was
        signed, and the parameters in `drop` are left out.
        """
        owner = self.receive_id if receive_id is None else receive_id
        encrypted = self.encrypt(text, owner) if padding is None else self._pad(text, padding)
        signer = Endpoint(token or self.token, self.aes_key, owner)
        query = signer.sign(encrypted, age)
        if signature is not None:
            query["msg_signature"] = signature
        query = {name: value for name, value in query.items() if name not in drop}
        return Letter(query, mutate(self.wrap(encrypted)))

    def _pad(self, text: str, padding: bytes) -> str:
        """Encrypt with a padding of one's own; what is not whole blocks is filled with zeros."""
        raw = text.encode()
        plain = secrets.token_bytes(16) + len(raw).to_bytes(4, "big") + raw
        plain += self.receive_id.encode()
        plain += bytes(-(len(plain) + len(padding)) % 16) + padding
        return base64.b64encode(WeChatCipher(self.key).encrypt(plain)).decode()


class Courier:
    """Brings callbacks, and brings them again."""

    def __init__(self, tasks: asyncio.TaskGroup, session: ClientSession, news: News) -> None:
        self.ack_seconds = 5.0
        """How long an app has for its answer."""
        self.pause_seconds = 0.02
        """Between two tries."""
        self.deliveries: list[Delivery] = []
        self.remember = True
        """Keep deliveries; off for those who bring very many."""
        self._tasks = tasks
        self._session = session
        self.news = news

    def bring(self, endpoint: Endpoint, payload: str) -> Delivery:
        """Bring a payload beside everything else; look at the delivery later."""
        delivery = Delivery(payload)
        if self.remember:
            self.deliveries.append(delivery)
        if endpoint.url:
            self.begin(self.deliver(endpoint, delivery))
        return delivery

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside everything else, until the peer ends."""
        self._tasks.create_task(work)

    async def deliver(self, endpoint: Endpoint, delivery: Delivery) -> Delivery:
        """Bring it until it is taken or three tries have failed."""
        for number in range(TRIES):
            if number:
                await asyncio.sleep(self.pause_seconds)
            letter = endpoint.letter(delivery.payload)
            delivery.tries.append(await self.post(endpoint, letter))
            if delivery.acked:
                break
        delivery.over = True
        self.news.tell()
        return delivery

    async def post(self, endpoint: Endpoint, letter: Letter) -> Try:
        """Bring one letter once."""
        headers = {"Content-Type": "text/xml"}
        if endpoint.style == "json":
            headers = {"Content-Type": "application/json"}
        send = partial(self._session.post, data=io.BytesIO(letter.body), headers=headers)
        return await self._ask(send, endpoint, letter, self.ack_seconds)

    async def verify(self, endpoint: Endpoint, echo: str = "7420163522118904261") -> bool:
        """Ask an address for its echo, as WeCom does when it is saved; it has one second."""
        encrypted = endpoint.encrypt(echo)
        query = endpoint.sign(encrypted) | {"echostr": encrypted}
        seen = await self._ask(self._session.get, endpoint, Letter(query, b""), VERIFY_SECONDS)
        return seen.status == 200 and seen.body == echo

    async def get(self, endpoint: Endpoint, query: dict[str, str]) -> Try:
        """Ask an address with a query of one's own."""
        return await self._ask(self._session.get, endpoint, Letter(query, b""), VERIFY_SECONDS)

    async def _ask(
        self, send: Callable[..., Any], endpoint: Endpoint, letter: Letter, seconds: float
    ) -> Try:
        seen = Try(letter, time.monotonic())
        try:
            timeout = ClientTimeout(total=seconds)
            async with send(
                endpoint.url, params=letter.query, timeout=timeout, allow_redirects=False
            ) as response:
                seen.body = (await response.read()).decode(errors="replace")
                seen.status = response.status
        except (ClientError, TimeoutError, OSError):
            seen.status = 0
        seen.seconds = time.monotonic() - seen.at
        return seen


def signature_of(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return the signature of what stands in a callback or in its answer."""
    parts = "".join(sorted([token, timestamp, nonce, encrypted]))
    return hashlib.sha1(parts.encode()).hexdigest()


def xml_of(fields: dict[str, Any]) -> str:
    """Write the fields of a callback: numbers bare, texts in CDATA; None is left out."""
    return f"<xml>{''.join(_element(*field) for field in fields.items())}</xml>"


def _element(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"<{name}>{''.join(_element(*field) for field in value.items())}</{name}>"
    if isinstance(value, int | float):
        return f"<{name}>{value}</{name}>"
    escaped = str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{escaped}]]></{name}>"
