"""The AI bot as an account of XiaoQ, in either mode."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
from aiohttp import web

from bots.adapter import Finding
from bots.proxies import proxy_for
from bots.wecom.aibot.book import Book
from bots.wecom.aibot.callback import AibotCallback
from bots.wecom.aibot.channel import AibotChannel
from bots.wecom.aibot.connection import Login
from bots.wecom.aibot.ear import SocketEar, bot_name
from bots.wecom.aibot.endings import WhenAsked, WhenHeld
from bots.wecom.aibot.events import CHANNEL
from bots.wecom.aibot.files import Files
from bots.wecom.aibot.holder import Holder
from bots.wecom.aibot.hosts import Hosts
from bots.wecom.aibot.intake import Intake
from bots.wecom.aibot.response_url import ResponseUrls
from bots.wecom.aibot.session import Desk
from bots.wecom.aibot.streams import Streams
from config.settings import WeComSettings
from core.feedback import Feedback
from core.inbox import Inbox
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Store


class Ear(Protocol):
    """How the bot hears, in one of the two modes; see `bots.adapter.Adapter`."""

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """What WeCom calls."""
        ...

    async def start(self) -> None:
        """Have the settings proved. Raises ConfigError or ChannelDownError."""
        ...

    async def listen(self) -> None:
        """Hear until cancelled. Raises ChannelDownError."""
        ...

    async def examine(self) -> Finding:
        """What `xiaoq doctor` should know."""
        ...


class AibotAccount:
    """One AI bot: an `Adapter`."""

    platform = CHANNEL

    def __init__(self, account: str, channel: AibotChannel, ear: Ear) -> None:
        self.account = account
        self.channel = channel
        self._ear = ear

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The callback, in callback mode."""
        return self._ear.routes()

    async def start(self) -> None:
        """Prove the login, in socket mode; in callback mode WeCom cannot be asked."""
        await self._ear.start()

    async def listen(self) -> None:
        """Hear until cancelled."""
        await self._ear.listen()

    async def examine(self) -> Sequence[Finding]:
        """See `bots.adapter.Adapter`."""
        return [await self._ear.examine()]


@asynccontextmanager
async def open_aibot(
    settings: WeComSettings,
    *,
    store: Store,
    inbox: Inbox,
    feedback: Feedback,
    personas: Personas,
    metrics: Metrics,
) -> AsyncGenerator[AibotAccount, None]:
    """Put the account together; nothing is asked of WeCom before `start`."""
    streams = Streams(store, inbox)
    intake = Intake(inbox, streams, feedback, metrics)
    hosts = Hosts(str(settings.api_base))
    proxy = proxy_for(str(settings.api_base))
    async with aiohttp.ClientSession(proxy=proxy) as session:
        files = Files(session, hosts, _aes_key(settings))
        if settings.aibot_mode == "callback":
            urls = ResponseUrls(session, hosts)
            channel = AibotChannel(streams, files, WhenAsked(streams, urls))
            callback = AibotCallback(settings, store, intake, streams, personas, urls)
            yield AibotAccount(settings.name, channel, callback)
            return
        desk = Desk(streams, Book(store, bot_name(settings)), intake, personas)
        holder = Holder(_login(settings), session, desk)
        channel = AibotChannel(streams, files, WhenHeld())
        yield AibotAccount(settings.name, channel, SocketEar(settings, store, holder))


def _login(settings: WeComSettings) -> Login:
    secret = settings.aibot_secret.get_secret_value() if settings.aibot_secret else ""
    return Login(settings.name, str(settings.aibot_socket), settings.aibot_id, secret)


def _aes_key(settings: WeComSettings) -> str:
    return settings.aibot_aes_key.get_secret_value() if settings.aibot_aes_key else ""
