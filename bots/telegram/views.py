"""How a growing answer is shown until it is finished: as a draft, as a message, or not at all.

Nothing of this must succeed: the finished answer is always sent whole.
"""

import asyncio
import time

from typing_extensions import override

from bots.markdown.telegram import Piece, render_draft
from bots.telegram.errors import ApiError, RefusedError, TokenError, TooManyError
from bots.telegram.outlet import Outlet
from core.channel import Delivery

TYPING_SECONDS = 4.0
"""The sign of typing stands for five (core.telegram.org/bots/api#sendchataction)."""
FIRST_TYPING_SECONDS = 0.3
"""Answers that come faster need no sign."""
DRAFT_SECONDS = 0.4
DRAFT_STANDS_SECONDS = 20.0
"""A draft goes away after 30 (core.telegram.org/bots/api#sendmessagedraft)."""
EDIT_SECONDS = 1.5
LONGEST_SECONDS = 10.0
NEVER = 3600.0
WAITING = Piece("…")


class Quiet:
    """Shows nothing but the sign of typing."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._api = outlet.api
        self._calling = asyncio.Lock()

    @property
    def number(self) -> int | None:
        """The message in which the answer grows, if there is one."""
        return None

    async def show(self, _: str) -> float:
        """Show the text so far; the seconds until it may be shown again."""
        return NEVER

    async def keep(self) -> None:
        """Show from time to time, until cancelled, that the answer is under way."""
        await asyncio.sleep(FIRST_TYPING_SECONDS)
        while True:
            await self._remind()
            await asyncio.sleep(TYPING_SECONDS)

    async def end(self, keeping: asyncio.Task[None]) -> None:
        """Stop, but not while a draft is drawn: it could arrive after the answer."""
        async with self._calling:
            keeping.cancel()

    async def _remind(self) -> None:
        place = self._outlet.place
        if self._outlet.flood.closed(place.chat):
            return
        try:
            await self._api.typing(place)
        except TooManyError as error:
            self._outlet.flood.close(place.chat, error.seconds)
        except ApiError:
            return


class DraftSupport:
    """Whether a server knows drafts; found out once."""

    def __init__(self) -> None:
        self._has_worked = False
        self.is_missing = False

    def note(self, error: ApiError | None) -> bool:
        """Learn from a draft that was shown, or refused; whether this chat takes drafts."""
        if error is None:
            self._has_worked = True
        elif isinstance(error, TokenError):  # said for an unknown method too
            self.is_missing = not self._has_worked
        return not isinstance(error, RefusedError | TokenError)


class Draft(Quiet):
    """A preview in a private chat; before the first text, the sign of typing."""

    def __init__(self, outlet: Outlet, draft: int, support: DraftSupport) -> None:
        super().__init__(outlet)
        self._draft = draft
        self._support = support
        self._pause = DRAFT_SECONDS
        self._piece = Piece("")
        self._shown_at = 0.0
        self._is_taken = True

    @override
    async def show(self, text: str) -> float:
        """Show the text so far; the seconds until it may be shown again."""
        piece = render_draft(text) if text else WAITING
        if not self._is_taken:
            return NEVER
        if not piece.text:
            return DRAFT_SECONDS
        if wait := self._outlet.flood.spare_draft(self._outlet.place.chat):
            return wait
        async with self._calling:
            await self._call(piece)
        return self._pause if self._is_taken else NEVER

    @override
    async def _remind(self) -> None:
        if not self._piece.text or not self._is_taken:
            await super()._remind()
        elif time.monotonic() - self._shown_at > DRAFT_STANDS_SECONDS - TYPING_SECONDS:
            async with self._calling:
                await self._call(self._piece)

    async def _call(self, piece: Piece) -> None:
        place, error = self._outlet.place, None
        try:
            await self._api.draft(place, self._draft, piece)
        except TooManyError as refusal:
            self._outlet.flood.close(place.chat, refusal.seconds)
            self._pause = min(LONGEST_SECONDS, max(2 * self._pause, refusal.seconds))
            return
        except ApiError as refusal:
            error = refusal
        self._is_taken = self._support.note(error)
        if not error:
            self._piece, self._shown_at = piece, time.monotonic()


class Growing(Quiet):
    """A message that is edited, in a group; its number is recorded, so that a crash finds it."""

    def __init__(self, outlet: Outlet, delivery: Delivery) -> None:
        super().__init__(outlet)
        self._delivery = delivery
        self._pause = EDIT_SECONDS
        self._is_broken = False

    @property
    @override
    def number(self) -> int | None:
        """The message in which the answer grows, if there is one."""
        surface = self._delivery.surface
        return int(surface) if surface.isdecimal() else None

    @override
    async def show(self, text: str) -> float:
        """Show the text so far; the seconds until it may be shown again."""
        piece = render_draft(text) if text else WAITING
        if self._is_broken:
            return NEVER
        if not piece.text:
            return EDIT_SECONDS
        if wait := self._outlet.flood.spare(self._outlet.place.chat):
            return wait
        try:
            await self._write(piece)
        except TooManyError as error:
            self._outlet.flood.close(self._outlet.place.chat, error.seconds)
            self._pause = min(LONGEST_SECONDS, max(2 * self._pause, error.seconds))
        except ApiError:
            # It may stand there without our knowing its number: do not write a second one.
            self._is_broken = True
        return self._pause

    @override
    async def _remind(self) -> None:
        if self.number is None:
            await super()._remind()

    async def _write(self, piece: Piece) -> None:
        place = self._outlet.place
        if self.number is None:
            number = await self._api.send(place, piece)
            await self._delivery.opened(str(number))
        else:
            await self._api.edit(place, self.number, piece)
