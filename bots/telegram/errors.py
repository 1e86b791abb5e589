"""What goes wrong with calls to Telegram.

The library's errors are caught in `translated` and nowhere else: their texts and causes may hold
addresses, which hold the token.

ApiError                the base
    AwayError           no answer, or no sensible one: it may or may not have been done; repeat
    TooManyError        repeat after `seconds`
    RefusedError        this call will never be taken; `reason` is Telegram's
        MovedError      the group has the number `chat` now
        ClosedError     nothing can be written in the chat any more: the core's UndeliverableError
    TokenError          the token, or the method, is unknown to the server
    ConflictError       another program takes this bot's updates
"""

from collections.abc import Generator
from contextlib import contextmanager

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    TelegramError,
)

from bots.telegram.request import FloodError
from core.errors import UndeliverableError

CLOSED = (
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "chat_write_forbidden",
    "chat_restricted",
    "chat_send_plain_forbidden",
    "chat_admin_required",
    "need administrator rights",
    "not enough rights",
    "have no rights",
    "topic_closed",
    "topic_deleted",
    "message thread not found",
    "business connection not found",
    "business_connection_invalid",
    "business_peer_invalid",
    "business_peer_usage_missing",
)
"""Refusals that hold for everything written to a chat (github.com/tdlib/telegram-bot-api)."""


class ApiError(Exception):
    """Base of what goes wrong with a call."""


class AwayError(ApiError):
    """Telegram cannot be reached or makes no sense; whether the call was carried out is unknown."""


class TooManyError(ApiError):
    """Too many calls; repeat this one later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"told to wait {seconds:g} s")
        self.seconds = seconds


class RefusedError(ApiError):
    """Telegram will never take this call as it is."""

    @property
    def reason(self) -> str:
        """Telegram's words, in small letters."""
        return str(self).lower()


class MovedError(RefusedError):
    """The group became a supergroup; write there."""

    def __init__(self, chat: int) -> None:
        super().__init__("the group became a supergroup")
        self.chat = chat


class ClosedError(RefusedError, UndeliverableError):
    """Nothing can be written in the chat any more: blocked, kicked, gone."""


class TokenError(ApiError):
    """The server does not know the token, or not the method."""


class ConflictError(ApiError):
    """Another program takes the updates; the text is Telegram's."""


@contextmanager
def translated() -> Generator[None, None, None]:
    """Raise the library's errors as ours."""
    try:
        yield
    except TelegramError as error:
        raise _ours(error) from None


def _ours(error: TelegramError) -> Exception:
    """The error of ours that says what a library's error means."""
    match error:
        case FloodError():
            return TooManyError(error.seconds)
        case ChatMigrated():
            return MovedError(error.new_chat_id)
        case InvalidToken():
            return TokenError("the server does not know the token")
        case Conflict():
            return ConflictError(error.message)
        case Forbidden() | BadRequest():
            is_closed = isinstance(error, Forbidden) or any(
                words in error.message.lower() for words in CLOSED
            )
            return (ClosedError if is_closed else RefusedError)(error.message)
    return AwayError(type(error).__name__)
