"""The AI bot as an account of XiaoQ, in either mode."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from redis.exceptions import RedisError

from bots.adapter import ChannelDownError, Finding
from bots.proxies import proxy_for
from bots.wecom.aibot.book import Book
from bots.wecom.aibot.callback import AibotCallback
from bots.wecom.aibot.channel import AibotChannel
from bots.wecom.aibot.connection import Login
from bots.wecom.aibot.endings import WhenAsked, WhenHeld
from bots.wecom.aibot.events import CHANNEL
from bots.wecom.aibot.files import Files
from bots.wecom.aibot.holder import Holder, ReplacedError
from bots.wecom.aibot.hosts import Hosts
from bots.wecom.aibot.intake import Intake
from bots.wecom.aibot.response_url import ResponseUrls
from bots.wecom.aibot.streams import Streams
from bots.wecom.errors import ApiError, RefusedError, SecretError
from config.errors import ConfigError
from config.settings import WeComSettings
from core.alone import HolderLostError, alone, is_held
from core.errors import StoreUnavailableError
from core.feedback import Feedback
from core.inbox import Inbox
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Store

HOLDER_SECONDS = 15.0
"""A replica that holds the connection and dies is relieved after this."""
REST_SECONDS = 600.0
"""A connection that was refused or taken from us is not opened again sooner."""
WHERE = "work.weixin.qq.com (管理工具 > 智能机器人 > the bot > API设置)"


class AibotAccount:
    """One AI bot: an `Adapter`."""

    platform = CHANNEL

    def __init__(
        self, settings: WeComSettings, channel: AibotChannel, ear: "AibotCallback | Ear"
    ) -> None:
        self.account = settings.name
        self.channel = channel
        self._settings = settings
        self._ear = ear

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The callback, in callback mode."""
        return self._ear.routes() if isinstance(self._ear, AibotCallback) else []

    async def start(self) -> None:
        """In socket mode log in once, unless a replica is logged in; else nothing can be asked."""
        if isinstance(self._ear, Ear):
            await self._ear.prove()

    async def listen(self) -> None:
        """Hold the connection until cancelled; callbacks come by themselves."""
        if isinstance(self._ear, Ear):
            await self._ear.listen()
        await asyncio.Event().wait()

    async def examine(self) -> Sequence[Finding]:
        """See `bots.adapter.Adapter`."""
        return []


class Ear:
    """The long connection, held by one replica at a time."""

    def __init__(self, settings: WeComSettings, store: Store, holder: Holder) -> None:
        self._settings = settings
        self._store = store
        self._holder = holder
        self._name = f"{CHANNEL}:{bot_name(settings)}"
        self._rest: tuple[str, float] = ("", 0.0)
        """Why nothing is tried, and until when."""

    async def prove(self) -> None:
        """Raises ConfigError where WeCom refuses the login, ChannelDownError where it is away."""
        try:
            if await is_held(self._store, self._name):
                return
            async with alone(self._store, self._name, HOLDER_SECONDS):
                await self._holder.prove()
        except (RefusedError, SecretError) as error:
            raise ConfigError(_complaint(self._settings, error)) from None
        except ApiError as error:
            raise ChannelDownError(f"wecom is away ({error})") from None
        except (HolderLostError, RedisError, OSError) as error:
            raise ChannelDownError(f"redis cannot be used ({type(error).__name__})") from None

    async def listen(self) -> None:
        """Wait for the turn of this replica and hold the connection; raises ChannelDownError."""
        why, until = self._rest
        if time.monotonic() < until:
            raise ChannelDownError(why)
        try:
            async with alone(self._store, self._name, HOLDER_SECONDS):
                await self._holder.hold()
        except ReplacedError:
            self._pause(
                "another program connected with this bot's secret; end it, then restart XiaoQ"
            )
        except (RefusedError, SecretError) as error:
            self._pause(_complaint(self._settings, error))
        except ApiError as error:
            raise ChannelDownError(f"wecom is away ({error})") from None
        except (HolderLostError, StoreUnavailableError, RedisError, OSError) as error:
            raise ChannelDownError(f"redis cannot be used ({type(error).__name__})") from None

    def _pause(self, why: str) -> None:
        self._rest = (why, time.monotonic() + REST_SECONDS)
        raise ChannelDownError(why)


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
            channel = AibotChannel(streams, files, WhenAsked(streams, ResponseUrls(session, hosts)))
            callback = AibotCallback(settings, store, intake, streams, personas)
            yield AibotAccount(settings, channel, callback)
            return
        holder = Holder(
            _login(settings),
            session,
            streams=streams,
            book=Book(store, bot_name(settings)),
            intake=intake,
            personas=personas,
        )
        channel = AibotChannel(streams, files, WhenHeld())
        yield AibotAccount(settings, channel, Ear(settings, store, holder))


def bot_name(settings: WeComSettings) -> str:
    """What a bot is called in keys."""
    return hashlib.blake2b(settings.aibot_id.encode(), digest_size=12).hexdigest()


def _login(settings: WeComSettings) -> Login:
    secret = settings.aibot_secret.get_secret_value() if settings.aibot_secret else ""
    return Login(settings.name, str(settings.aibot_socket), settings.aibot_id, secret)


def _aes_key(settings: WeComSettings) -> str:
    return settings.aibot_aes_key.get_secret_value() if settings.aibot_aes_key else ""


def _complaint(settings: WeComSettings, error: ApiError) -> str:
    account = "" if settings.name == "main" else f' (account "{settings.name}")'
    return (
        f"XIAOQ_WECOM__AIBOT_SECRET: WeCom refuses the login ({error}); copy Bot ID and Secret "
        f"again from {WHERE}, where 长连接 should be chosen{account}"
    )
