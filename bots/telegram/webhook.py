"""Updates that Telegram sends to the HTTP door; 200 only for what is settled."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from bots.http import error_response
from bots.telegram.updates import BadUpdateError, Update, parse_update
from config.settings import TelegramSettings

PATH = "/telegram/webhook"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - its name
BODY_SECONDS = 10.0
RETRY_SECONDS = "2"

Take = Callable[[Update], Awaitable[bool]]


def webhook_path(account: str) -> str:
    """The path of an account; that of "main" has no name in it."""
    return PATH if account == "main" else f"{PATH}/{account}"


def webhook_url(settings: TelegramSettings) -> str:
    """What Telegram is told to call."""
    return str(settings.public_url).rstrip("/") + webhook_path(settings.name)


def webhook_secret(settings: TelegramSettings) -> str:
    """What Telegram sends along, so that nobody else can speak in its name."""
    if settings.secret_token:
        return settings.secret_token.get_secret_value()
    token = settings.token.get_secret_value().encode()
    return hmac.new(token, b"xiaoq telegram webhook", hashlib.sha256).hexdigest()


class Webhook:
    """One account's callback."""

    def __init__(self, settings: TelegramSettings, take: Take) -> None:
        self.path = webhook_path(settings.name)
        self._secret = webhook_secret(settings).encode()
        self._take = take

    async def receive(self, request: web.Request) -> web.Response:
        """Take an update: 200, or 503 if it must come again."""
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._secret):
            return error_response(403)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
            update = parse_update(body)
        except BadUpdateError:
            return error_response(400)
        except TimeoutError:
            return error_response(408)
        if not await self._take(update):
            return error_response(503, headers={"Retry-After": RETRY_SECONDS})
        return web.json_response({})
