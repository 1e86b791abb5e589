"""The AI bot's long connection among replicas: one holds it, the others stand by."""

import hashlib
import time

from redis.exceptions import RedisError

from bots.adapter import ChannelDownError, Finding, Mark
from bots.wecom.aibot.events import CHANNEL
from bots.wecom.aibot.holder import Holder, ReplacedError
from bots.wecom.complaints import setting
from bots.wecom.errors import ApiError, RefusedError, SecretError
from config.errors import ConfigError
from config.settings import WeComSettings
from core.alone import HolderLostError, alone, is_held
from core.errors import StoreUnavailableError
from core.redis import Store

HOLDER_SECONDS = 15.0
"""A replica that holds the connection and dies is relieved after this."""
REST_SECONDS = 600.0
"""A connection that was refused or taken from us is not opened again sooner."""
WHERE = "work.weixin.qq.com > 安全与管理 > 管理工具 > 智能机器人 > the bot > API配置"


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

    async def examine(self, part: str) -> Finding:
        """Whether the login is right."""
        try:
            if await is_held(self._store, self._name):
                return Finding(Mark.GOOD, part, "a running XiaoQ is connected")
            await self.prove()
        except ConfigError as error:
            return Finding(Mark.BAD, part, "the login is refused", str(error))
        except (ChannelDownError, StoreUnavailableError) as error:
            advice = (
                f"let this machine reach {self._settings.aibot_socket}, by a proxy (HTTPS_PROXY) "
                "if need be"
            )
            return Finding(Mark.BAD, part, str(error) or "redis is away", advice)
        return Finding(Mark.GOOD, part, "bot id and secret are right, and nobody is connected")

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


def bot_name(settings: WeComSettings) -> str:
    """What a bot is called in keys."""
    return hashlib.blake2b(settings.aibot_id.encode(), digest_size=12).hexdigest()


def _complaint(settings: WeComSettings, error: ApiError) -> str:
    return (
        f"{setting(settings, 'aibot_secret')}: WeCom refuses the login ({error}); copy Bot ID and "
        f"Secret again from {WHERE}, where 长连接 should be chosen"
    )
