"""The calls that XiaoQ makes to Telegram. All raise `bots.telegram.errors`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from telegram import (
    Bot,
    BotCommand,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReplyParameters,
)

from bots.markdown.telegram import Piece
from bots.telegram.errors import AwayError, RefusedError, translated
from bots.telegram.events import Me
from bots.telegram.request import AiohttpRequest
from bots.telegram.updates import KINDS, Connection
from config.settings import TelegramSettings

POLL_MARGIN_SECONDS = 10.0
CONNECTIONS = 40
"""Deliveries that Telegram makes to a webhook at a time."""
DOWNLOAD_SECONDS = 20.0
HURRY_SECONDS = 3.0
"""For calls that are made again, or that nothing depends on."""
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer goes."""

    chat: int
    topic: int | None = None
    business: str | None = None
    quoted: int | None = None
    """The message that it answers, shown above it."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """What Telegram says about the webhook."""

    url: str
    waiting: int
    last_error: str
    last_error_at: float
    """Unix time; 0 if there was none."""


class _Bot(Bot):
    """The library's bot; updates come as Telegram sent them (`bots.telegram.updates` says why)."""

    __slots__ = ()

    async def raw_updates(self, offset: int | None, seconds: int) -> Any:  # noqa: ANN401 - JSON
        asked = {"offset": offset, "timeout": seconds, "allowed_updates": list(KINDS)}
        return await self._post("getUpdates", asked, read_timeout=seconds + POLL_MARGIN_SECONDS)


class TelegramApi:
    """One bot's calls."""

    def __init__(self, settings: TelegramSettings, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.request = AiohttpRequest(session)
        base, files = bases(settings)
        self._bot = _Bot(
            settings.token.get_secret_value(),
            base,
            files,
            request=self.request,
            get_updates_request=self.request,
        )

    async def me(self) -> Me:
        """Who the bot is."""
        with translated():
            user = await self._bot.get_me()
        return Me(user.id, user.username or "", bool(user.can_read_all_group_messages))

    async def updates(self, offset: int | None, seconds: int) -> Sequence[Any]:
        """Confirm what is below `offset` and wait for more."""
        with translated():
            found = await self._bot.raw_updates(offset, seconds)
        if not isinstance(found, list):
            raise AwayError("no list of updates")
        return found

    async def set_webhook(self, url: str, secret: str) -> None:
        """Have updates sent to `url`."""
        with translated():
            await self._bot.set_webhook(
                url, max_connections=CONNECTIONS, allowed_updates=KINDS, secret_token=secret
            )

    async def drop_webhook(self) -> None:
        """Have updates kept for polling."""
        with translated():
            await self._bot.delete_webhook()

    async def webhook(self) -> WebhookState:
        """Where updates go, and how well."""
        with translated():
            info = await self._bot.get_webhook_info()
        failed = info.last_error_date
        return WebhookState(
            info.url,
            info.pending_update_count,
            info.last_error_message or "",
            failed.timestamp() if failed else 0.0,
        )

    async def set_menu(self, commands: Sequence[tuple[str, str]], language: str) -> None:
        """Set the menu for clients in a language; "" for all others."""
        menu = [BotCommand(name, description) for name, description in commands]
        with translated():
            await self._bot.set_my_commands(menu, language_code=language or None)

    async def connection(self, identity: str) -> Connection:
        """A business connection."""
        with translated():
            found = await self._bot.get_business_connection(identity, read_timeout=HURRY_SECONDS)
        return Connection.model_validate(found.to_dict())

    async def send(
        self, place: Place, piece: Piece, keyboard: InlineKeyboardMarkup | None = None
    ) -> int:
        """Write a message; returns its number in the chat."""
        quoted = place.quoted and ReplyParameters(place.quoted, allow_sending_without_reply=True)
        with translated():
            sent: Message = await self._bot.send_message(
                place.chat,
                piece.text,
                entities=_entities(piece),
                link_preview_options=NO_PREVIEW,
                message_thread_id=place.topic,
                business_connection_id=place.business,
                reply_parameters=quoted or None,
                reply_markup=keyboard,
            )
        return sent.message_id

    async def edit(
        self,
        place: Place,
        number: int,
        piece: Piece,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> None:
        """Write a message anew; silent if it stands so already."""
        try:
            with translated():
                await self._bot.edit_message_text(
                    piece.text,
                    place.chat,
                    number,
                    entities=_entities(piece),
                    link_preview_options=NO_PREVIEW,
                    business_connection_id=place.business,
                    reply_markup=keyboard,
                )
        except RefusedError as error:
            if "not modified" not in error.reason:
                raise

    async def draft(self, place: Place, number: int, piece: Piece) -> None:
        """Show a person for 30 seconds what is being written."""
        with translated():
            await self._bot.send_message_draft(
                place.chat,
                number,
                piece.text,
                message_thread_id=place.topic,
                entities=_entities(piece),
                read_timeout=HURRY_SECONDS,
            )

    async def typing(self, place: Place) -> None:
        """Show for five seconds that an answer is being written."""
        with translated():
            await self._bot.send_chat_action(
                place.chat,
                "typing",
                message_thread_id=place.topic,
                business_connection_id=place.business,
                read_timeout=HURRY_SECONDS,
            )

    async def acknowledge(self, press: str, text: str) -> None:
        """End the waiting sign on a pressed button."""
        with translated():
            await self._bot.answer_callback_query(press, text or None, read_timeout=HURRY_SECONDS)

    async def drop_keyboard(self, place: Place, number: int) -> None:
        """Take the buttons away from under a message."""
        with translated():
            await self._bot.edit_message_reply_markup(
                place.chat,
                number,
                business_connection_id=place.business,
                read_timeout=HURRY_SECONDS,
            )

    async def download(self, file: str, most: int) -> bytes | None:
        """A file's content; None if it has more than `most` bytes."""
        with translated():
            found = await self._bot.get_file(file)
        if (found.file_size or 0) > most or not found.file_path:
            return None
        timeout = aiohttp.ClientTimeout(total=DOWNLOAD_SECONDS)
        try:
            async with self._session.get(
                found.file_path, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise RefusedError(f"the file cannot be fetched: status {answer.status}")
                content = await answer.content.read(most + 1)
                while len(content) <= most and (more := await answer.content.read(most + 1)):
                    content += more
        except (TimeoutError, aiohttp.ClientError) as error:
            raise AwayError(type(error).__name__) from None
        return content if len(content) <= most else None


def bases(settings: TelegramSettings) -> tuple[str, str]:
    """Where methods and files are, up to where the token follows."""
    base = str(settings.api_base).rstrip("/").removesuffix("/bot")
    files = str(settings.file_base or f"{base}/file/bot").rstrip("/")
    return f"{base}/bot", files


def _entities(piece: Piece) -> list[MessageEntity]:
    return [
        MessageEntity(
            entity.kind,
            entity.offset,
            entity.length,
            url=entity.url or None,
            language=entity.language or None,
        )
        for entity in piece.entities
    ]
