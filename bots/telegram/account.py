"""One Telegram bot as an account of XiaoQ."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import structlog
from aiohttp import web
from redis.exceptions import RedisError

from bots.adapter import ChannelDownError, Finding
from bots.proxies import proxy_for
from bots.telegram.api import TelegramApi
from bots.telegram.channel import TelegramChannel
from bots.telegram.checks import examine_bot
from bots.telegram.errors import ApiError, RefusedError, TokenError
from bots.telegram.events import CHANNEL, Me
from bots.telegram.flood import Flood
from bots.telegram.intake import Intake
from bots.telegram.polling import Poller
from bots.telegram.state import State
from bots.telegram.updates import Update
from bots.telegram.webhook import Webhook, webhook_secret, webhook_url
from bots.telegram.words import COMMANDS
from config.errors import ConfigError
from config.settings import TelegramSettings
from core.alone import HolderLostError, alone
from core.feedback import Feedback
from core.inbox import Inbox
from core.metrics import Metrics
from core.redis import Store

log = structlog.get_logger()

TOKEN = re.compile(r"(\d+):\S+")
POLLER_SECONDS = 15.0
"""A replica that stops polling without a word is relieved after this."""
LOOK_SECONDS = 300.0
"""How often the webhook is looked after."""
KEPT_SECONDS = 60.0
CALLS_AT_ONCE = 256


class TelegramAccount:
    """One bot: an `Adapter`."""

    platform = CHANNEL

    def __init__(
        self,
        settings: TelegramSettings,
        session: aiohttp.ClientSession,
        *,
        store: Store,
        inbox: Inbox,
        feedback: Feedback,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bot = bot_number(settings)
        self._api = TelegramApi(settings, session)
        state = State(store, self._bot)
        self._intake = Intake(
            settings.name, self._api, state, inbox=inbox, feedback=feedback, metrics=metrics
        )
        self._me: Me | None = None
        self.account = settings.name
        self.channel = TelegramChannel(self._api, Flood(settings.per_second), state)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The callback, in webhook mode."""
        if self._settings.mode == "polling":
            return []
        webhook = Webhook(self._settings, self._take)
        return [web.post(webhook.path, webhook.receive)]

    async def start(self) -> None:
        """Learn who the bot is, set its menu and have updates sent."""
        try:
            self._me = await self._api.me()
            if self._settings.mode == "webhook":
                await self._set_webhook()
        except TokenError:
            raise ConfigError(
                _complaint(
                    self._settings,
                    f"{self._settings.api_base} does not know the bot's token; copy it again from "
                    "@BotFather (/mybots, API Token)",
                )
            ) from None
        except ApiError as error:
            raise ChannelDownError(f"telegram is away ({error})") from None
        await self._set_menu()
        log.info("telegram bot ready", account=self.account, bot=f"@{self._me.username}")

    async def listen(self) -> None:
        """Poll, or look after the webhook, until cancelled."""
        try:
            await (self._watch() if self._settings.mode == "webhook" else self._poll())
        except ApiError as error:
            raise ChannelDownError(f"telegram is away ({error})") from None
        except (HolderLostError, RedisError, OSError) as error:
            raise ChannelDownError(f"redis cannot be used ({type(error).__name__})") from None

    async def examine(self) -> Sequence[Finding]:
        """Token, webhook, groups, reachability, clock."""
        return await examine_bot(self._settings, self._api)

    async def _take(self, update: Update) -> bool:
        return self._me is not None and await self._intake.take(update, self._me)

    async def _turn_away(self, update: Update) -> None:
        if self._me is not None:
            await self._intake.turn_away(update, self._me)

    async def _set_webhook(self) -> None:
        try:
            await self._api.set_webhook(webhook_url(self._settings), webhook_secret(self._settings))
        except RefusedError as error:
            raise ConfigError(
                f"XIAOQ_TELEGRAM__PUBLIC_URL: telegram refuses {webhook_url(self._settings)} "
                f"({error}); it should be a public https address at port 443, 80, 88 or 8443"
                f"{_account(self._settings)}"
            ) from None

    async def _poll(self) -> None:
        """Fetch updates while no other replica does."""
        async with alone(self._store, f"{CHANNEL}:{self._bot}", POLLER_SECONDS):
            await self._api.drop_webhook()
            await Poller(self._api, self._take, self._turn_away).run()

    async def _watch(self) -> None:
        """Set the webhook again if somebody took it away."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (await self._api.webhook()).url != webhook_url(self._settings):
                log.warning("webhook was taken away and is set again", account=self.account)
                await self._set_webhook()

    async def _set_menu(self) -> None:
        """The commands in each language; a bot without a menu works too."""
        menus = {"": COMMANDS["en"], **COMMANDS}
        try:
            async with asyncio.TaskGroup() as group:
                for language, commands in menus.items():
                    group.create_task(self._api.set_menu(commands, language))
        except* ApiError as errors:
            error = errors.exceptions[0]
            log.warning("menu not set", account=self.account, error=type(error).__name__)


@asynccontextmanager
async def open_telegram(
    settings: TelegramSettings,
    *,
    store: Store,
    inbox: Inbox,
    feedback: Feedback,
    metrics: Metrics,
) -> AsyncGenerator[TelegramAccount, None]:
    """Open a bot's account; raises ConfigError for a token that cannot be one."""
    # At debug the library logs addresses with the token, and what customers write.
    logging.getLogger("telegram").setLevel(logging.WARNING)
    connector = aiohttp.TCPConnector(limit=CALLS_AT_ONCE, keepalive_timeout=KEPT_SECONDS)
    proxy = proxy_for(str(settings.api_base))
    async with aiohttp.ClientSession(connector=connector, proxy=proxy) as session:
        yield TelegramAccount(
            settings, session, store=store, inbox=inbox, feedback=feedback, metrics=metrics
        )


def bot_number(settings: TelegramSettings) -> int:
    """The bot's id, which its token begins with; raises ConfigError."""
    found = TOKEN.fullmatch(settings.token.get_secret_value())
    if not found:
        raise ConfigError(
            _complaint(
                settings,
                "holds no bot's token, which looks like 123456789:AAE...; copy it from @BotFather "
                "(/mybots, API Token)",
            )
        )
    return int(found[1])


def _complaint(settings: TelegramSettings, what: str) -> str:
    return f"XIAOQ_TELEGRAM__TOKEN: {what}{_account(settings)}"


def _account(settings: TelegramSettings) -> str:
    return "" if settings.name == "main" else f' (account "{settings.name}")'
