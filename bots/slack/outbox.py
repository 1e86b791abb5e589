"""The messages of one answer on their way out, each of them once.

Before a message is posted its number is written into the delivery record, and the message carries
it as metadata. So an attempt that does not know whether a message left (its answer was lost, the
process was killed) looks into the conversation and does not post it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bots.slack.api import NOTHING, Api, RefusedError, SlackError, UnsureError
from bots.slack.blocks import Layout, Part
from bots.slack.powers import Powers
from bots.slack.shapes import at, timestamp
from core.channel import Delivery
from core.turn import Turn

EVENT = "xiaoq_reply"
SENDING, STREAM, MESSAGE = "sending", "stream", "message"
POST_ATTEMPTS = 3
LOOKED_AT = 100


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
    """Timestamp of the question; the answer comes after it."""
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
    return Place(
        channel=envelope["channel"],
        thread=envelope.get("thread", ""),
        user=envelope["user"],
        team=envelope["team"],
        bot=turn.address.chat.split("/")[1],
        since=timestamp(turn.id.rpartition("/")[2]) or "0.0",
        response_url=envelope.get("response_url", ""),
        is_hidden="hidden" in envelope,
    )


class Outbox:
    """Posts and rewrites messages of one reply."""

    def __init__(self, api: Api, powers: Powers, place: Place, delivery: Delivery) -> None:
        self.api = api
        self.powers = powers
        self.place = place
        self._delivery = delivery

    async def _call(
        self, method: str, args: Mapping[str, object], *, patient: bool = True
    ) -> dict[str, Any]:
        return await self.api.call(method, args, patient=patient, pause=self._delivery.pause)

    async def opened(self, kind: str, ts: str) -> None:
        """Record what shows this answer, for whoever has to finish it."""
        await self._delivery.opened(f"{kind}/{ts}")

    def metadata(self, number: int) -> dict[str, Any]:
        """What a message of ours is known by."""
        payload = {"reply": self._delivery.reply_id, "part": number}
        return {"event_type": EVENT, "event_payload": payload}

    async def post(self, number: int, part: Part) -> str:
        """Post a part of the answer unless it is there already; returns its timestamp.

        Raises SlackError.
        """
        if self._delivery.surface == f"{SENDING}/{number}":
            if ts := await self.find(number):
                return ts
        else:
            await self.opened(SENDING, str(number))
        for _ in range(POST_ATTEMPTS):
            try:
                return await self.powers.laid_out(lambda layout: self._post(number, part, layout))
            except UnsureError:
                if ts := await self.find(number):
                    return ts
        raise UnsureError("chat.postMessage")

    async def rewrite(self, number: int, ts: str, part: Part, *, patient: bool = True) -> None:
        """Put a part in the place of what a message shows. Raises SlackError."""

        async def update(layout: Layout) -> None:
            args = {
                "channel": self.place.channel,
                "ts": ts,
                "text": part.notification,
                "blocks": part.blocks(layout),
                "metadata": self.metadata(number),
            }
            await self._call("chat.update", args, patient=patient)

        await self.powers.laid_out(update)

    async def find(self, number: int) -> str:
        """The timestamp of a part that is there; empty if it is not or cannot be looked for."""
        mark = self.metadata(number)
        for message in await self._since_question():
            if at(message, "metadata").get("event_payload") == mark["event_payload"]:
                return timestamp(message.get("ts"))
        return ""

    async def find_orphan(self) -> str:
        """A stream that was opened and whose answer got lost; it has no metadata yet."""
        ours = [m for m in await self._since_question() if m.get("user") == self.place.bot]
        bare = [timestamp(m.get("ts")) for m in ours if not m.get("metadata")]
        return max((ts for ts in bare if ts != self.place.thread), default="")

    async def stop(self, ts: str, end: Mapping[str, object] = NOTHING) -> None:
        """End a stream. Raises SlackError, RefusedError where it has ended already."""
        await self._call("chat.stopStream", {"channel": self.place.channel, "ts": ts, **end})

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

    async def _since_question(self) -> list[dict[str, Any]]:
        place = self.place
        looking = {"channel": place.channel, "oldest": place.since, "limit": str(LOOKED_AT)}
        looking |= {"include_all_metadata": "true"}
        method = "conversations.history"
        if place.thread:
            method, looking["ts"] = "conversations.replies", place.thread
        try:
            answer = await self._call(method, looking)
        except SlackError:
            return []
        messages = answer.get("messages")
        return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def is_gone(error: RefusedError) -> bool:
    """Whether a message cannot be changed any more: it was deleted, or is too old."""
    return error.code in {"message_not_found", "cant_update_message", "edit_window_closed"}
