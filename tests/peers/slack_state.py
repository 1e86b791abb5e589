"""What exists on the fake Slack, and the record of what happened."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from peers.slack_faults import Faults
from peers.slack_records import (
    KINDS,
    Body,
    Bot,
    Call,
    Channel,
    Message,
    Ping,
    Stream,
    new_user,
)


class Workspace(Faults):
    """Everything there is, and everything that happened."""

    def __init__(self) -> None:
        super().__init__()
        self.bots: list[Bot] = []
        self.calls: list[Call] = []
        """Every call of the Web API, in order."""
        self.remember = True
        """Keep calls and deliveries; messages are always kept."""
        self.stream_seconds = 300.0
        """How long a stream stays open; Slack ends it after about five minutes."""
        self.ephemerals: list[Message] = []
        self.pings: list[Ping] = []
        """Live `<!channel>`, `<@U1>` and their like in what bots wrote."""
        self.links: list[Ping] = []
        """Live `<https://..>` and `<#C1>` in mrkdwn that bots wrote."""
        self.statuses: dict[tuple[str, str], str] = {}
        """The assistant status shown now, by channel and thread; a message of the app clears it."""
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[tuple[str, str | None], list[Body]] = {}
        self.homes: dict[tuple[str, str], Body] = {}
        """The home tab shown, by bot token and user."""
        self.modals: list[Body] = []
        self.tickets: dict[str, Bot] = {}
        """Connections of Socket Mode that were promised and not opened yet."""
        self.triggers: dict[str, float] = {}
        """Trigger ids that open a modal, with the moment of `time.monotonic` they were issued."""
        self.users: dict[str, Body] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, Body] = {}
        self.changed = asyncio.Condition()
        self._waiting = 0
        self._last_ts = 0
        self._ids = itertools.count(1)
        self._messages: dict[str, dict[str, Message]] = defaultdict(dict)
        self._streams: dict[tuple[str, str], Stream] = {}

    def bot(self, **fields: Any) -> Bot:
        """Install an app; fields are those of `Bot`, each with a working default."""
        bot = Bot(**fields)
        self.bots.append(bot)
        return bot

    def user(self, user: str, **fields: Any) -> Body:
        """Create or change a person; fields are those of `users.info`."""
        known = self.users.setdefault(
            user, new_user(user, self.bots[0].team if self.bots else "T1")
        )
        profile = fields.pop("profile", {})
        known.update(fields)
        known["profile"].update(profile)
        return known

    def channel(self, channel: str, **fields: Any) -> Channel:
        """Create or change a channel; its kind follows from the first letter of its id."""
        known = self.channels.get(channel)
        if known is None:
            known = self.channels[channel] = Channel(channel, KINDS.get(channel[0], "channel"))
        for name, value in fields.items():
            setattr(known, name, value)
        return known

    def dm(self, user: str, bot: Bot | None = None) -> str:
        """Return the id of a person's direct messages with a bot."""
        self.user(user)
        return self.channel(f"D{(bot or self.bots[0]).bot_id}{user}", user=user).id

    def new_ts(self) -> str:
        """Return a timestamp that no other message has."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        """Return an id that nothing else has."""
        return f"{prefix}{next(self._ids):09X}"

    def add(self, message: Message) -> Message:
        """Put a message into its channel."""
        self._messages[message.channel][message.ts] = message
        return message

    def find(self, channel: str, ts: str) -> Message | None:
        """Return a message that is there and not deleted."""
        message = self._messages[channel].get(ts)
        return message if message and not message.deleted else None

    @property
    def streams(self) -> list[Stream]:
        """Every stream there was, in order."""
        return list(self._streams.values())

    def add_stream(self, stream: Stream) -> None:
        """Put a stream's message into its channel."""
        message = self.add(stream.message)
        self._streams[message.channel, message.ts] = stream

    def stream_of(self, message: Message) -> Stream | None:
        """Return the stream that writes a message; one that is too old is over."""
        stream = self._streams.get((message.channel, message.ts))
        if stream is not None and time.monotonic() - stream.started > self.stream_seconds:
            stream.open = message.streaming = False
        return stream

    def history(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """Return what people and bots wrote, oldest first; with a thread only that."""
        found = (m for m in self._messages[channel].values() if not m.deleted)
        if thread_ts is not None:
            found = (m for m in found if thread_ts in (m.ts, m.thread_ts))
        return sorted(found, key=lambda message: message.ts)

    def messages(
        self, channel: str | None = None, thread_ts: str | None = None, bot: Bot | None = None
    ) -> list[Message]:
        """Return what our bots wrote and a reader sees now, oldest first."""
        channels: Iterable[str] = list(self._messages) if channel is None else [channel]
        found = (m for one in channels for m in self.history(one, thread_ts) if m.bot)
        return [m for m in found if bot is None or m.bot is bot]

    async def wait_for(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until something is true of the peer; a call, delivery or socket must change it."""
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(lambda: bool(condition()))
        finally:
            self._waiting -= 1

    async def note(self) -> None:
        """Tell those who wait that something happened."""
        if self._waiting:
            async with self.changed:
                self.changed.notify_all()
