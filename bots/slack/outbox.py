"""The messages of one answer on their way out, each of them once.

Before a message is posted its number is written into the delivery record, and the message carries
it as metadata. So an attempt that does not know whether a message left (its answer was lost, the
process was killed) looks into the conversation and does not post it again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bots.slack.api import NOTHING, Api, AwayError, LimitedError, RefusedError, UnsureError
from bots.slack.blocks import Layout, Part
from bots.slack.capabilities import Capabilities
from bots.slack.payload import at, timestamp
from core.channel import Delivery
from core.turn import Turn

EVENT = "xiaoq_reply"
SENDING, STREAM, MESSAGE = "sending", "stream", "message"
POST_ATTEMPTS = 3
PAGE = 200
MOST_PAGES = 10
OFF_SECONDS = 300.0
"""A question is written at most so long before it comes in; Slack's signatures are good for as
long. What somebody picks with the shortcut can be much older than the answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer goes; read from the envelope of the turn's latest message."""

    channel: str
    thread: str
    """Empty outside of threads."""
    user: str
    team: str
    bot: str
    """User id of the bot."""
    since: str
    """Timestamp before which the answer cannot have been posted."""
    response_url: str = ""
    is_hidden: bool = False
    """Only the one who asked sees the answer."""

    @property
    def is_direct(self) -> bool:
        """Whether it is between the bot and one person."""
        return self.channel.startswith("D")


def place_of(turn: Turn) -> Place:
    """Where a turn is answered."""
    envelope = turn.messages[-1].envelope
    asked = float(timestamp(turn.id.rpartition("/")[2]) or 0.0)
    since = max(asked, turn.messages[0].received_at - OFF_SECONDS)
    return Place(
        channel=envelope["channel"],
        thread=envelope.get("thread", ""),
        user=envelope["user"],
        team=envelope["team"],
        bot=turn.address.chat.split("/")[1],
        since=f"{since:.6f}",
        response_url=envelope.get("response_url", ""),
        is_hidden="hidden" in envelope,
    )


class Outbox:
    """Posts and rewrites the messages of one reply. Every method raises SlackError."""

    def __init__(
        self, api: Api, capabilities: Capabilities, place: Place, delivery: Delivery
    ) -> None:
        self.api = api
        self.capabilities = capabilities
        self.place = place
        self._delivery = delivery
        self._recording = asyncio.Lock()
        self._in_doubt = delivery.surface
        """The record of a message that may have left."""

    async def announce(self, number: int) -> None:
        """Record that a part is about to leave. Done early it holds up nobody."""
        await self._record(f"{SENDING}/{number}")

    async def opened(self, kind: str, ts: str) -> None:
        """Record what shows this answer, so that whoever has to finish it need not look for it.

        Done with the second step of an answer that grows: many have only one.
        """
        await self._record(f"{kind}/{ts}")

    async def recover(self) -> tuple[str, str]:
        """What an earlier attempt has opened for the first part: its kind and timestamp."""
        kind, _, ts = self._delivery.surface.partition("/")
        if not kind or self._delivery.sent:
            return "", ""
        if kind == SENDING or not ts:
            kind, ts = MESSAGE, await self.find(0)
            if not ts:
                kind, ts = STREAM, await self.find_orphan()
            self._in_doubt = ""
        return (kind, ts) if ts else ("", "")

    async def post(self, number: int, part: Part) -> str:
        """Post a part of the answer unless it is there already; returns its timestamp."""
        record = f"{SENDING}/{number}"
        if self._in_doubt == record and (ts := await self.find(number)):
            return ts
        await self._record(record)
        self._in_doubt = record
        for _ in range(POST_ATTEMPTS):
            try:
                ts = await self.capabilities.laid_out(
                    lambda layout: self._post(number, part, layout)
                )
            except UnsureError:
                if ts := await self.find(number):
                    return ts
            except (AwayError, LimitedError, RefusedError):
                self._in_doubt = ""
                raise
            else:
                self._in_doubt = ""
                return ts
        raise UnsureError("chat.postMessage")

    async def rewrite(self, number: int, ts: str, part: Part, *, patient: bool = True) -> None:
        """Put a part in the place of what a message shows."""

        async def update(layout: Layout) -> None:
            args = {
                "channel": self.place.channel,
                "ts": ts,
                "text": part.notification,
                "blocks": part.blocks(layout),
                "metadata": self.metadata(number),
            }
            await self._call("chat.update", args, patient=patient)

        await self.capabilities.laid_out(update)

    async def stop(self, ts: str, end: Mapping[str, object] = NOTHING) -> None:
        """End a stream; RefusedError where it has ended already."""
        await self._call("chat.stopStream", {"channel": self.place.channel, "ts": ts, **end})

    def metadata(self, number: int) -> dict[str, Any]:
        """What a message of ours is known by."""
        payload = {"reply": self._delivery.reply_id, "part": number}
        return {"event_type": EVENT, "event_payload": payload}

    async def find(self, number: int) -> str:
        """The timestamp of a part that is there; empty if it is not or may not be looked for."""
        mark = self.metadata(number)["event_payload"]
        for message in await self._ours():
            if at(message, "metadata").get("event_payload") == mark:
                return timestamp(message.get("ts"))
        return ""

    async def find_orphan(self) -> str:
        """A stream that was opened and not ended; it has no metadata yet."""
        if not self.place.thread:
            return ""
        bare = [timestamp(m.get("ts")) for m in await self._ours() if not m.get("metadata")]
        return max((ts for ts in bare if ts != self.place.thread), default="")

    async def _record(self, surface: str) -> None:
        async with self._recording:
            if self._delivery.surface != surface:
                await self._delivery.opened(surface)

    async def _call(
        self, method: str, args: Mapping[str, object], *, patient: bool = True
    ) -> dict[str, Any]:
        return await self.api.call(method, args, patient=patient, pause=self._delivery.pause)

    async def _post(self, number: int, part: Part, layout: Layout) -> str:
        args = {
            "channel": self.place.channel,
            "thread_ts": self.place.thread or None,
            "text": part.notification,
            "blocks": part.blocks(layout),
            "metadata": self.metadata(number),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        answer = await self._call("chat.postMessage", args)
        return str(answer["ts"])

    async def _ours(self) -> list[dict[str, Any]]:
        """The bot's messages since the question; none where the scope to look is missing.

        An app sees the metadata of its own messages with the scopes of `history` alone.
        """
        place = self.place
        asked = {"channel": place.channel, "oldest": place.since, "limit": str(PAGE)}
        asked |= {"include_all_metadata": "true"}
        method = "conversations.history"
        if place.thread:
            method, asked["ts"] = "conversations.replies", place.thread
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            try:
                answer = await self._call(method, asked)
            except RefusedError:
                break
            messages = answer.get("messages")
            good = messages if isinstance(messages, list) else []
            found += [m for m in good if isinstance(m, dict) and m.get("user") == place.bot]
            cursor = at(answer, "response_metadata").get("next_cursor")
            if not cursor:
                break
            asked["cursor"] = str(cursor)
        return found
