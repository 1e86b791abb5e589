"""The way out of one reply: messages are written until Telegram takes them.

After an error without an answer a message may stand in the chat already, and Telegram knows no
mark to tell. It is written again: a part that appears twice is better than one that never does.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from telegram import InlineKeyboardMarkup

from bots.markdown.telegram import Piece, plain_text
from bots.telegram.api import Place, TelegramApi
from bots.telegram.errors import (
    AwayError,
    MovedError,
    RefusedError,
    TokenError,
    TooManyError,
)
from bots.telegram.flood import Flood
from bots.telegram.state import State
from core.errors import PlatformAwayError

PATIENCE_SECONDS = 300.0
"""After so long the attempt at the answer ends, and the inbox keeps the message."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
GONE = ("message to edit not found", "message can't be edited", "message_id_invalid")

Given = TypeVar("Given")
Pause = Callable[[float], Awaitable[None]]


class Outlet:
    """Writes to one place, which changes when the group moves."""

    def __init__(
        self, api: TelegramApi, flood: Flood, state: State, place: Place, pause: Pause
    ) -> None:
        self.api = api
        self.flood = flood
        self._state = state
        self.place = place
        self._pause = pause

    async def send(self, piece: Piece, keyboard: InlineKeyboardMarkup | None = None) -> int:
        """Write a message, wherever the group is now; returns its number."""

        async def call(piece: Piece) -> int:
            return await self.api.send(self.place, piece, keyboard)

        try:
            return await self._write(call, piece)
        except MovedError:
            return await self._write(call, piece)

    async def edit(
        self, number: int, piece: Piece, keyboard: InlineKeyboardMarkup | None = None
    ) -> bool:
        """Write a message anew; False if it cannot be found any more."""

        async def call(piece: Piece) -> None:
            await self.api.edit(self.place, number, piece, keyboard)

        try:
            await self._write(call, piece)
        except MovedError:
            return False
        except RefusedError as error:
            if not any(words in error.reason for words in GONE):
                raise
            return False
        return True

    async def moved(self, chat: int) -> None:
        """Note where the group is now; its topics and messages have other numbers there."""
        await self._state.move(self.place.chat, chat)
        self.place = Place(chat)

    async def _write(self, call: Callable[[Piece], Awaitable[Given]], piece: Piece) -> Given:
        """Insist on a call; without the formats if they are refused."""
        try:
            return await self._insist(lambda: call(piece))
        except RefusedError as error:
            if "entit" not in error.reason or not piece.entities:
                raise
        return await self._insist(lambda: call(Piece(plain_text(piece))))

    async def _insist(self, call: Callable[[], Awaitable[Given]]) -> Given:
        """Repeat a call until Telegram takes or refuses it; PlatformAwayError ends patience.

        It is raised at the end of patience and not sooner: the worker repeats the turn at once.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                wait = self.flood.admit(self.place.chat, left)
            except TooManyError:
                await self._pause(left)
                raise PlatformAwayError from None
            if wait:
                await self._pause(wait)
            try:
                return await call()
            except TooManyError as error:
                self.flood.close(self.place.chat, error.seconds)
            except MovedError as error:
                await self.moved(error.chat)
                raise
            except (AwayError, TokenError):  # a token that was renewed is set right soon
                if time.monotonic() + pause > deadline:
                    raise PlatformAwayError from None
                await self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
