"""WeCom with its people, for `platforms.py`.

Customers of a kf account, members with the app, members who ask the AI bot.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_callbacks import xml_of
from peers.wecom_corps import Corp
from peers.wecom_exchange import Exchange

from benchmarks.rig import Product

AGENT = 1_000_002
SECRET = "benchmark"
PAUSE_SECONDS = 0.2


class WeComSide:
    """One corp; its callbacks are brought until they are taken."""

    method = ""
    """The call that shows something."""

    def __init__(self, peer: WeComPeer) -> None:
        self.peer = peer
        self.peer.courier.remember = False
        self.corp: Corp = peer.corp()
        self.settings: dict[str, str] = {
            "XIAOQ_WECOM__CORP_ID": self.corp.id,
            "XIAOQ_WECOM__CALLBACK_TOKEN": self.corp.endpoint.token,
            "XIAOQ_WECOM__ENCODING_AES_KEY": self.corp.endpoint.aes_key,
            "XIAOQ_WECOM__API_BASE": peer.api_base,
        }

    async def connect(self, product: Product) -> None:
        """Give the callback's address."""
        self.corp.endpoint.url = f"{product.base}/wecom/callback"

    def shown(self) -> list[tuple[float, int, str]]:
        """What was shown."""
        return [
            (call.at, int(call.body["touser"]), call.body[call.body["msgtype"]]["content"])
            for call in self.peer.called(self.method)
            if call.errcode == 0
        ]

    async def bring(self, fields: dict[str, object]) -> float:
        """Bring a callback until it is taken; seconds of the last try."""
        text = xml_of(fields)
        while True:
            endpoint = self.corp.endpoint
            seen = await self.peer.courier.post(endpoint, endpoint.letter(text))
            if seen.acked:
                return seen.seconds
            await asyncio.sleep(PAUSE_SECONDS)


class KfSide(WeComSide):
    """Customers of one kf account."""

    method = "kf/send_msg"

    def __init__(self, peer: WeComPeer) -> None:
        super().__init__(peer)
        self.corp.kf_secret(SECRET)
        self._desk = self.corp.kf_account("wkAAA", "zhangwei")
        self.settings["XIAOQ_WECOM__KF_SECRET"] = SECRET

    async def write(self, customer: int, text: str) -> float:
        """Leave the message in the account's log and ring."""
        with self._desk.silence():
            self._desk.says(str(customer), text)
        return await self.bring(self._desk.bell())

    def answers(self, customer: int) -> list[str]:
        """What stands in the chat."""
        return self._desk.texts(str(customer))


class AppSide(WeComSide):
    """Members who write to the company's own app."""

    method = "message/send"

    def __init__(self, peer: WeComPeer) -> None:
        super().__init__(peer)
        members = {str(number) for number in range(10_000)}
        self._app = self.corp.app(AGENT, SECRET, members)
        self.settings["XIAOQ_WECOM__AGENT_ID"] = str(AGENT)
        self.settings["XIAOQ_WECOM__APP_SECRET"] = SECRET

    async def write(self, customer: int, text: str) -> float:
        """Bring the message itself."""
        return await self.bring(self._app.message(str(customer), text))

    def answers(self, customer: int) -> list[str]:
        """What stands in the chat."""
        return self._app.texts(str(customer))


class AibotSide:
    """Members who ask the AI bot, which is called back; WeCom looks twice a second."""

    def __init__(self, peer: WeComPeer) -> None:
        peer.courier.remember = False
        self._bot = peer.aibot()
        self._asked: dict[int, list[Exchange]] = {}
        self.settings: dict[str, str] = {
            "XIAOQ_WECOM__AIBOT_TOKEN": self._bot.endpoint.token,
            "XIAOQ_WECOM__AIBOT_AES_KEY": self._bot.endpoint.aes_key,
            "XIAOQ_WECOM__API_BASE": peer.api_base,
        }

    async def connect(self, product: Product) -> None:
        """Give the callback's address."""
        self._bot.endpoint.url = f"{product.base}/wecom/aibot"

    async def write(self, customer: int, text: str) -> float:
        """Bring a question until it is taken; seconds of the last try."""
        exchange = self._bot.asks(str(customer), text)
        self._asked.setdefault(customer, []).append(exchange)
        while not exchange.acked_in:
            if exchange.over:
                self._bot.repeats(exchange)
            await asyncio.sleep(0.001)
        return exchange.acked_in

    def shown(self) -> list[tuple[float, int, str]]:
        """What was shown."""
        return [
            (at, int(exchange.user), text)
            for exchange in self._bot.exchanges
            for at, text in zip(exchange.shown_at, exchange.snapshots, strict=True)
        ]

    def answers(self, customer: int) -> list[str]:
        """What stands in the chat."""
        asked = self._asked.get(customer, [])
        later = [body["markdown"]["content"] for exchange in asked for body in exchange.later]
        return [*(exchange.text for exchange in asked), *later]


@asynccontextmanager
async def aibot_side() -> AsyncGenerator[AibotSide, None]:
    """The AI bot."""
    async with wecom_peer() as peer:
        yield AibotSide(peer)


@asynccontextmanager
async def kf_side() -> AsyncGenerator[KfSide, None]:
    """WeCom's kf."""
    async with wecom_peer() as peer:
        yield KfSide(peer)


@asynccontextmanager
async def app_side() -> AsyncGenerator[AppSide, None]:
    """The company's own app."""
    async with wecom_peer() as peer:
        yield AppSide(peer)
