"""The one message in which an answer grows: a stream where Slack allows it, else edits."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from typing_extensions import override

from bots.markdown.slack import MAX_CHARACTERS, Appender
from bots.slack.api import AwayError, LimitedError, RefusedError, SlackError, UnsureError
from bots.slack.blocks import Layout, Part, growing
from bots.slack.outbox import MESSAGE, STREAM, Outbox

EDIT_SECONDS = 1.2
"""Pause between edits: `chat.update` takes about 50 a minute (tier 3)."""
APPEND_SECONDS = 0.6
"""Pause between pieces of a stream: `chat.appendStream` takes about 100 a minute (tier 4)."""
SOON = 0.2
NO_MORE = 3_600.0
LEAVE_SECONDS = 3.0
STREAMING = "streaming"
_STILL_STREAMING = "streaming_state_conflict"
_UNCHANGEABLE = {"message_not_found", "cant_update_message", "edit_window_closed"}
"""A message was deleted, or is too old to be edited."""


class Surface(Protocol):
    """Where an answer grows."""

    @property
    def is_open(self) -> bool:
        """Whether there may be anything of it to see."""
        ...

    async def show(self, text: str) -> float:
        """Show what there is of the answer; returns the seconds until it may be called again.

        What Slack refuses now is made up for at the end. Raises only what the delivery raises.
        """
        ...

    async def settle(self, text: str, parts: Sequence[Part]) -> None:
        """Make it the first part of the finished answer; `text` is all of it. Raises SlackError."""
        ...

    async def leave(self) -> None:
        """Let go of it, finished or not."""
        ...


class EditedMessage(Surface):
    """A message that is edited; `ts` is that of one an earlier attempt opened."""

    def __init__(self, outbox: Outbox, ts: str = "", *, was_stream: bool = False) -> None:
        self._outbox = outbox
        self._ts = ts
        self._was_stream = was_stream and bool(ts)
        self._is_given_up = False

    @property
    @override
    def is_open(self) -> bool:
        return bool(self._ts)

    @override
    async def show(self, text: str) -> float:
        if self._is_given_up or not (self._ts or text):
            return NO_MORE if self._is_given_up else SOON
        try:
            if self._ts:
                await self._end_stream()
                await self._outbox.opened(MESSAGE, self._ts)
                await self._outbox.rewrite(0, self._ts, growing(text), patient=False)
            else:
                self._ts = await self._outbox.post(0, growing(text))
        except LimitedError as error:
            return max(error.seconds, EDIT_SECONDS)
        except RefusedError:
            self._is_given_up = True
            return NO_MORE
        except SlackError:
            return EDIT_SECONDS
        return EDIT_SECONDS

    @override
    async def settle(self, text: str, parts: Sequence[Part]) -> None:
        await self._end_stream()
        try:
            await self._outbox.rewrite(0, self._ts, parts[0])
        except RefusedError as error:
            if error.code == _STILL_STREAMING:
                await self._outbox.stop(self._ts)
                await self._outbox.rewrite(0, self._ts, parts[0])
            elif error.code in _UNCHANGEABLE:
                self._ts = await self._outbox.post(0, parts[0])
            else:
                raise

    @override
    async def leave(self) -> None:
        with suppress(SlackError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._end_stream()

    async def _end_stream(self) -> None:
        if self._was_stream:
            with suppress(RefusedError):  # it has ended already
                await self._outbox.stop(self._ts)
            self._was_stream = False


class Stream(Surface):
    """A stream, to which text can only be added.

    What cannot be said by adding (a retraction, a piece of which nobody knows whether it arrived, a
    very long answer) is put right at the end: the stream is stopped and its message rewritten.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._appender = Appender()
        self._ts = ""
        self._fed = ""
        self._pending = ""
        self._is_true = True
        """Whether what the stream shows is the beginning of the answer."""
        self._is_starting = False
        """Whether it may be open without our knowing."""
        self._is_running = False
        self._instead: EditedMessage | None = None

    @property
    @override
    def is_open(self) -> bool:
        return self._instead.is_open if self._instead else bool(self._ts or self._is_starting)

    @override
    async def show(self, text: str) -> float:
        if self._instead:
            return await self._instead.show(text)
        self._feed(text)
        if not (self._is_true and self._pending):
            return SOON if self._is_true else NO_MORE
        return await self._send(text)

    async def _send(self, text: str) -> float:
        """Bring what is pending; returns the pause until the next."""
        try:
            await (self._append() if self._ts else self._start())
        except LimitedError as error:
            return max(error.seconds, APPEND_SECONDS)
        except RefusedError as error:
            return await self._refused(error, text)
        except UnsureError:  # a piece, or the stream itself, may be there or not
            self._is_true = False
            with suppress(SlackError):
                await self._look()
        except SlackError:
            return APPEND_SECONDS
        return APPEND_SECONDS

    @override
    async def settle(self, text: str, parts: Sequence[Part]) -> None:
        if self._instead:
            await self._instead.settle(text, parts)
            return
        await self._look()
        if not self._ts:
            await self._outbox.post(0, parts[0])
            return
        self._feed(text)
        self._pending += self._appender.end()
        if self._is_true and len(parts) == 1 and len(self._pending) <= MAX_CHARACTERS:
            with suppress(RefusedError, UnsureError):
                await self._finish(parts[0])
                return
        message = EditedMessage(self._outbox, self._ts, was_stream=self._is_running)
        await message.settle(text, parts)
        self._is_running = False

    @override
    async def leave(self) -> None:
        if self._instead:
            await self._instead.leave()
            return
        with suppress(SlackError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._look()
                if self._is_running:
                    await self._outbox.stop(self._ts)

    def _feed(self, text: str) -> None:
        self._is_true = self._is_true and text.startswith(self._fed)
        if self._is_true:
            self._pending += self._appender.feed(text[len(self._fed) :])
            self._fed = text
            self._is_true = len(text) <= MAX_CHARACTERS

    async def _start(self) -> None:
        place = self._outbox.place
        args = {
            "channel": place.channel,
            "thread_ts": place.thread,
            "recipient_team_id": place.team,
            "recipient_user_id": place.user,
            "markdown_text": self._pending,
        }
        await self._outbox.announce(0)
        self._is_starting = True
        try:
            answer = await self._outbox.api.call("chat.startStream", args, patient=False)
        except (LimitedError, RefusedError, AwayError):
            self._is_starting = False
            raise
        self._pending = ""
        self._open(str(answer["ts"]))

    async def _append(self) -> None:
        await self._outbox.opened(STREAM, self._ts)
        args = {"channel": self._outbox.place.channel, "ts": self._ts}
        args["markdown_text"] = self._pending
        await self._outbox.api.call("chat.appendStream", args, patient=False)
        self._pending = ""

    async def _finish(self, part: Part) -> None:
        """Stop it with the last words, the sources and the thumbs."""

        async def stop(layout: Layout) -> None:
            end = {
                "markdown_text": self._pending or None,
                "blocks": part.foot(layout) or None,
                "metadata": self._outbox.metadata(0),
            }
            await self._outbox.stop(self._ts, end)

        await self._outbox.capabilities.laid_out(stop)
        self._is_running = False

    async def _refused(self, error: RefusedError, text: str) -> float:
        """No stream may be opened here: edit a message instead; an open one is put right later."""
        if self._ts:
            self._is_true = False
            return NO_MORE
        self._outbox.capabilities.note(STREAMING, error)
        self._instead = EditedMessage(self._outbox)
        return await self._instead.show(text)

    async def _look(self) -> None:
        """Find a stream whose opening was not answered. Raises SlackError."""
        if self._is_starting:
            if ts := await self._outbox.find_orphan():
                self._open(ts)
            self._is_starting = False

    def _open(self, ts: str) -> None:
        self._ts = ts
        self._is_starting = False
        self._is_running = True
