"""The AI bot's long connection among replicas: one holds it, the others stand by."""

import hashlib
from collections.abc import Sequence

from aiohttp import web
from redis.exceptions import RedisError

from bots.adapter import ChannelDownError, Finding, Mark
from bots.wecom.aibot.events import CHANNEL
from bots.wecom.aibot.holder import Holder, ReplacedError
from bots.wecom.checks import part_of
from bots.wecom.complaints import setting
from bots.wecom.errors import ApiError, RefusedError, SecretError
from config.errors import ConfigError
from config.settings import WeComSettings
from core.alone import HolderLostError, alone, is_held
from core.errors import StoreUnavailableError
from core.redis import Store

HOLDER_SECONDS = 15.0
"""A replica that holds the connection and dies is relieved after this."""
REST_SECONDS = 600
"""A connection that was refused or taken from us is not opened again sooner."""
REDIS_GONE = (HolderLostError, StoreUnavailableError, RedisError, OSError)
WHERE = "work.weixin.qq.com > 安全与管理 > 管理工具 > 智能机器人 > the bot > API配置"


class SocketEar:
    """The long connection, held by one replica at a time; an `Ear`."""

    def __init__(self, settings: WeComSettings, store: Store, holder: Holder) -> None:
        self._settings = settings
        self._store = store
        self._holder = holder
        self._name = f"{CHANNEL}:{bot_name(settings)}"
        self._rest_key = f"xq:{self._name}:rest"
        """Why no replica connects for a while."""

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """None: we call."""
        return []

    async def start(self) -> None:
        """Log in and out, unless a replica is logged in; a rest ends.

        Raises ConfigError where WeCom refuses the login, ChannelDownError where it is away.
        """
        try:
            if await is_held(self._store, self._name):
                return
            async with alone(self._store, self._name, HOLDER_SECONDS):
                await self._holder.prove()
                await self._store.delete(self._rest_key)
        except (RefusedError, SecretError) as error:
            raise ConfigError(_complaint(self._settings, error)) from None
        except ApiError as error:
            raise ChannelDownError(f"wecom is away ({error})") from None
        except REDIS_GONE as error:
            raise ChannelDownError(f"redis cannot be used ({type(error).__name__})") from None

    async def listen(self) -> None:
        """Wait for the turn of this replica and hold the connection; raises ChannelDownError."""
        try:
            async with alone(self._store, self._name, HOLDER_SECONDS):
                if why := await self._store.get(self._rest_key):
                    raise ChannelDownError(str(why))
                await self._hold()
        except ApiError as error:
            raise ChannelDownError(f"wecom is away ({error})") from None
        except REDIS_GONE as error:
            raise ChannelDownError(f"redis cannot be used ({type(error).__name__})") from None

    async def examine(self) -> Finding:
        """Whether the login is right; a connection that a running XiaoQ holds is left alone."""
        part = part_of(self._settings, CHANNEL)
        try:
            if await is_held(self._store, self._name):
                return Finding(Mark.GOOD, part, "a running XiaoQ is connected")
            await self.start()
        except ConfigError as error:
            return Finding(Mark.BAD, part, "the login is refused", str(error))
        except (ChannelDownError, StoreUnavailableError) as error:
            advice = (
                f"let this machine reach {self._settings.aibot_socket}, by a proxy (HTTPS_PROXY) "
                "if need be"
            )
            return Finding(Mark.BAD, part, str(error) or "redis is away", advice)
        return Finding(Mark.GOOD, part, "bot id and secret are right, and nobody is connected")

    async def _hold(self) -> None:
        """Hold the connection; what another attempt would only make worse gives all a rest."""
        try:
            await self._holder.hold()
        except ReplacedError:
            why = "another program connected with this bot's secret; end it, then restart XiaoQ"
        except (RefusedError, SecretError) as error:
            why = _complaint(self._settings, error)
        await self._store.set(self._rest_key, why, ex=REST_SECONDS)
        raise ChannelDownError(why)


def bot_name(settings: WeComSettings) -> str:
    """What a bot is called in keys."""
    return hashlib.blake2b(settings.aibot_id.encode(), digest_size=12).hexdigest()


def _complaint(settings: WeComSettings, error: ApiError) -> str:
    return (
        f"{setting(settings, 'aibot_secret')}: WeCom refuses the login ({error}); copy Bot ID and "
        f"Secret again from {WHERE}, where 长连接 should be chosen"
    )
