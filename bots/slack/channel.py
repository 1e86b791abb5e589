"""Slack as a channel: how an answer gets to those who asked."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

import structlog

from bots.pace import draw
from bots.slack.api import Api, RefusedError, SlackError
from bots.slack.attention import Attention
from bots.slack.blocks import Part, Thumbs, lay_out
from bots.slack.files import Files
from bots.slack.outbox import MESSAGE, SENDING, STREAM, Outbox, Place, place_of
from bots.slack.people import People
from bots.slack.powers import Powers
from bots.slack.sheets import STREAMS, Page, Sheet, Stream
from bots.slack.whisper import Whisper
from bots.slack.words import language_of, say
from core.channel import Delivery
from core.enclosures import Enclosures, Person
from core.errors import PlatformAwayError, UndeliverableError
from core.feedback import ticket
from core.replies import Reply, ReplyEvent
from core.tasks import beside
from core.turn import Turn

log = structlog.get_logger()

NOT_A_MEMBER = {"not_in_channel", "channel_not_found"}
GONE = NOT_A_MEMBER | {
    "is_archived",
    "user_not_in_channel",
    "user_not_found",
    "user_disabled",
    "cannot_reply_to_message",
    "thread_not_found",
    "invalid_thread_ts",
    "messages_tab_disabled",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
    "is_inactive",
}
"""Refusals after which a reply will never be taken."""


class SlackChannel:
    """Brings replies to one bot's conversations."""

    def __init__(
        self, api: Api, powers: Powers, people: People, files: Files, whisper: Whisper
    ) -> None:
        self._api = api
        self._powers = powers
        self._people = people
        self._files = files
        self._whisper = whisper

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Text files that came along, and who asks."""
        place = place_of(turn)
        read = [
            document
            for message in turn.messages
            if message.attachments
            for document in await self._files.read(message)
        ]
        colleague = await self._people.find(place.team, place.user)
        documents = tuple(document for document in read if document)
        person = Person(colleague.name, colleague.time_zone)
        return Enclosures(documents, len(read) - len(documents), person)

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Bring an answer; see `core.channel.Channel`."""
        place = place_of(turn)
        colleague = await self._people.find(place.team, place.user)
        if not colleague.is_answered:
            raise UndeliverableError("not a member of the workspace")
        outbox = Outbox(self._api, self._powers, place, delivery)
        try:
            if place.is_hidden:
                reply = await draw(events, _nothing)
                await self._send_hidden(place, _parts(turn, reply), delivery)
            else:
                await self._speak(turn, events, delivery, outbox)
        except RefusedError as error:
            if error.code in GONE:
                raise UndeliverableError(error.code) from error
            raise
        except SlackError as error:
            raise PlatformAwayError from error

    async def _speak(
        self,
        turn: Turn,
        events: AsyncGenerator[ReplyEvent, None],
        delivery: Delivery,
        outbox: Outbox,
    ) -> None:
        """Let the answer grow where everybody sees it, and finish it."""
        sheet = await self._sheet(delivery, outbox)
        attention = Attention(self._api, self._powers, outbox.place, language_of(turn.text))

        async def show(text: str) -> float:
            await attention.over()
            return await sheet.show(text)

        try:
            async with beside(attention.think()):
                reply = await draw(events, show)
                await attention.over()
                await self._send(_parts(turn, reply), reply, sheet, delivery, outbox)
        finally:
            await sheet.leave()

    async def _send(
        self,
        parts: Sequence[Part],
        reply: Reply,
        sheet: Sheet,
        delivery: Delivery,
        outbox: Outbox,
    ) -> None:
        """Everything that has not left yet."""
        try:
            for number in range(delivery.sent, len(parts)):
                if number == 0 and sheet.is_open:
                    await sheet.settle(reply.text, parts)
                else:
                    await outbox.post(number, parts[number])
                await delivery.delivered(number + 1)
        except RefusedError as error:
            if error.code not in NOT_A_MEMBER or not outbox.place.response_url:
                raise
            await self._send_hidden(outbox.place, parts, delivery)
            with suppress(SlackError):
                hint = say("only_you", reply.language)
                await self._whisper.note(outbox.place.response_url, hint)

    async def _send_hidden(self, place: Place, parts: Sequence[Part], delivery: Delivery) -> None:
        for number in range(delivery.sent, len(parts)):
            await self._whisper.send(place, number, parts[number])
            await delivery.delivered(number + 1)

    async def _sheet(self, delivery: Delivery, outbox: Outbox) -> Sheet:
        """What an earlier attempt opened, else something new."""
        kind, _, ts = delivery.surface.partition("/")
        if not delivery.sent and kind == STREAM:
            return Page(outbox, ts or await outbox.find_orphan(), was_stream=True)
        if not delivery.sent and kind == MESSAGE:
            return Page(outbox, ts)
        if not delivery.sent and kind == SENDING:
            return Page(outbox, await outbox.find(0))
        if outbox.place.thread and self._powers.may(STREAMS):
            return Stream(outbox)
        return Page(outbox)


def _parts(turn: Turn, reply: Reply) -> tuple[Part, ...]:
    conversation, digest = turn.address.key, turn.messages[0].digest
    up, down = (ticket(conversation, digest, up=up) for up in (True, False))
    return lay_out(reply, Thumbs(up, down))


async def _nothing(_: str) -> float:
    return 3_600.0
