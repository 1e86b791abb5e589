"""Slack as a channel: how an answer gets to those who asked."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from bots.pace import draw
from bots.slack.api import TOKEN_REFUSALS, Api, LimitedError, RefusedError, SlackError
from bots.slack.assistant import Status
from bots.slack.blocks import Part, Thumbs, lay_out
from bots.slack.capabilities import Capabilities
from bots.slack.ephemeral import Ephemeral
from bots.slack.files import Files
from bots.slack.outbox import STREAM, Outbox, Place, place_of
from bots.slack.people import People
from bots.slack.surface import STREAMING, EditedMessage, Stream, Surface
from bots.slack.words import language_of, say
from core.channel import Delivery
from core.enclosures import Enclosures, Person
from core.errors import PlatformAwayError, UndeliverableError
from core.feedback import ticket
from core.replies import Reply, ReplyEvent
from core.tasks import beside
from core.turn import Turn

AWAY_SECONDS = 2.0
"""Pause before a Slack that is away is tried again, so that it is not called without end."""
LONGEST_PAUSE_SECONDS = 60.0
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

    is_atomic = False

    def __init__(
        self,
        api: Api,
        capabilities: Capabilities,
        people: People,
        files: Files,
        ephemeral: Ephemeral,
    ) -> None:
        self._api = api
        self._capabilities = capabilities
        self._people = people
        self._files = files
        self._ephemeral = ephemeral

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Text files that came along, and who asks."""
        place = place_of(turn)
        colleague, read = await asyncio.gather(
            self._people.find(place.team, place.user), self._files.read(turn.messages)
        )
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
        try:
            if place.is_hidden:
                reply = await draw(events, _show_nothing)
                await self._send_hidden(place, _parts(turn, reply), delivery)
            else:
                outbox = Outbox(self._api, self._capabilities, place, delivery)
                await self._speak(turn, events, delivery, outbox)
        except SlackError as error:
            await _give_up(error, delivery)

    async def _speak(
        self,
        turn: Turn,
        events: AsyncGenerator[ReplyEvent, None],
        delivery: Delivery,
        outbox: Outbox,
    ) -> None:
        """Let the answer grow where everybody sees it, and finish it."""
        surface = await self._surface(outbox)
        status = Status(self._api, self._capabilities, outbox.place, language_of(turn.text))

        async def prepare() -> None:
            """What can be done while the model thinks."""
            if not (surface.is_open or delivery.sent):
                await outbox.announce(0)
            await status.think()

        async def show(text: str) -> float:
            await status.over()
            return await surface.show(text)

        try:
            async with beside(prepare()):
                reply = await draw(events, show)
                await status.over()
                await self._send(_parts(turn, reply), reply, surface, delivery, outbox)
        finally:
            await surface.leave()

    async def _send(
        self,
        parts: Sequence[Part],
        reply: Reply,
        surface: Surface,
        delivery: Delivery,
        outbox: Outbox,
    ) -> None:
        """Everything that has not left yet."""
        try:
            for number in range(delivery.sent, len(parts)):
                if number == 0 and surface.is_open:
                    await surface.settle(reply.text, parts)
                else:
                    await outbox.post(number, parts[number])
                await delivery.delivered(number + 1)
        except RefusedError as error:
            if error.code not in NOT_A_MEMBER or not outbox.place.response_url:
                raise
            await self._send_hidden(outbox.place, parts, delivery)
            with suppress(SlackError):
                hint = say("only_you", reply.language)
                await self._ephemeral.note(outbox.place.response_url, hint)

    async def _send_hidden(self, place: Place, parts: Sequence[Part], delivery: Delivery) -> None:
        for number in range(delivery.sent, len(parts)):
            await self._ephemeral.send(place, number, parts[number])
            await delivery.delivered(number + 1)

    async def _surface(self, outbox: Outbox) -> Surface:
        """What an earlier attempt opened, else something new."""
        kind, ts = await outbox.recover()
        if ts:
            return EditedMessage(outbox, ts, was_stream=kind == STREAM)
        if outbox.place.thread and self._capabilities.allow(STREAMING):
            return Stream(outbox)
        return EditedMessage(outbox)


async def _give_up(error: SlackError, delivery: Delivery) -> None:
    """Say what becomes of a reply that Slack did not take; where it may take it later, wait."""
    if isinstance(error, RefusedError):
        if error.code in GONE:
            raise UndeliverableError(error.code) from error
        if error.code not in TOKEN_REFUSALS:
            raise error
    seconds = error.seconds if isinstance(error, LimitedError) else AWAY_SECONDS
    await delivery.pause(min(seconds, LONGEST_PAUSE_SECONDS))
    raise PlatformAwayError from error


def _parts(turn: Turn, reply: Reply) -> tuple[Part, ...]:
    conversation, digest = turn.address.key, turn.messages[0].digest
    up, down = (ticket(conversation, digest, up=up) for up in (True, False))
    return lay_out(reply, Thumbs(up, down))


async def _show_nothing(_: str) -> float:
    return 3_600.0
