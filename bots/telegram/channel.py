"""Answers go out to Telegram."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bots.markdown.telegram import Piece, render
from bots.pace import draw
from bots.telegram.api import Place, TelegramApi
from bots.telegram.errors import ApiError
from bots.telegram.flood import Flood
from bots.telegram.outlet import Outlet
from bots.telegram.state import State
from bots.telegram.views import Draft, DraftSupport, Growing, Quiet
from bots.telegram.words import BAD, GOOD
from core.channel import Delivery
from core.enclosures import DOCUMENT_BYTES, Document, Enclosures, read_document
from core.feedback import ticket
from core.messages import Attachment
from core.replies import Origin, Outcome, Reply, ReplyEvent
from core.tasks import beside
from core.turn import Turn

FETCH_SECONDS = 15.0
MOST_DOCUMENTS = 5
"""Text files of one turn that are fetched."""
TEXT_TYPES = (
    "text/",
    "application/json",
    "application/csv",
    "application/yaml",
    "application/x-yaml",
    "application/xml",
)
TEXT_ENDINGS = (".txt", ".md", ".csv", ".tsv", ".json", ".yaml", ".yml", ".xml", ".log")


class TelegramChannel:
    """Brings replies to chats."""

    is_atomic = False

    def __init__(self, api: TelegramApi, flood: Flood, state: State) -> None:
        self._api = api
        self._flood = flood
        self._state = state
        self._drafts = DraftSupport()

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Fetch text files; everything else counts as unread."""
        readable = [file for file in turn.attachments if _is_text(file)][:MOST_DOCUMENTS]
        found = await asyncio.gather(*(self._fetch(file) for file in readable))
        documents = tuple(document for document in found if document)
        return Enclosures(documents, len(turn.attachments) - len(documents))

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Show an answer while it grows, then send it whole; goes on where a crash cut it."""
        outlet = Outlet(self._api, self._flood, self._state, _place(turn), delivery.pause)
        view = self._view(turn, outlet, delivery)
        async with beside(view.keep()) as keeping:
            reply = await draw(events, view.show)
            await view.end(keeping)
        await _finish(turn, reply, outlet, view.number, delivery)

    async def _fetch(self, file: Attachment) -> Document | None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                content = await self._api.download(file.id, DOCUMENT_BYTES)
        except (ApiError, TimeoutError):
            return None
        return read_document(file.name, content) if content else None

    def _view(self, turn: Turn, outlet: Outlet, delivery: Delivery) -> Quiet:
        if outlet.place.chat < 0:  # groups have negative ids
            return Growing(outlet, delivery)
        if outlet.place.business or self._drafts.is_missing:
            return Quiet(outlet)
        return Draft(outlet, _draft_number(turn, delivery), self._drafts)


async def _finish(
    turn: Turn, reply: Reply, outlet: Outlet, number: int | None, delivery: Delivery
) -> None:
    """Send the parts that have not left; the first into the message that grew, if one did."""
    pieces = render(reply.text) or (Piece(reply.text),)
    for index in range(delivery.sent, len(pieces)):
        piece = pieces[index]
        keyboard = _thumbs(turn) if index == len(pieces) - 1 and _is_answer(reply) else None
        is_written = (
            index == 0 and number is not None and await outlet.edit(number, piece, keyboard)
        )
        if not is_written:
            await outlet.send(piece, keyboard)
        await delivery.delivered(index + 1)


def _is_answer(reply: Reply) -> bool:
    return reply.outcome is Outcome.ANSWERED and reply.origin is not Origin.FIXED


def _thumbs(turn: Turn) -> InlineKeyboardMarkup:
    conversation, digest = turn.address.key, turn.messages[0].digest
    buttons = [
        InlineKeyboardButton(face, callback_data=ticket(conversation, digest, up=face == GOOD))
        for face in (GOOD, BAD)
    ]
    return InlineKeyboardMarkup([buttons])


def _place(turn: Turn) -> Place:
    """Where the newest message of the turn came from; in a group it is quoted."""
    envelope = turn.messages[-1].envelope
    chat = int(envelope["chat"])
    return Place(
        chat,
        topic=int(envelope["topic"]) if "topic" in envelope else None,
        business=envelope.get("business"),
        quoted=int(envelope["message"]) if chat < 0 else None,
    )


def _draft_number(turn: Turn, delivery: Delivery) -> int:
    """The same after a crash, so that the draft goes on; never 0."""
    name = f"{turn.address.key}/{delivery.reply_id}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest()) >> 1 or 1


def _is_text(file: Attachment) -> bool:
    if file.kind != "document" or file.size > DOCUMENT_BYTES:
        return False
    return file.mime.lower().startswith(TEXT_TYPES) or file.name.lower().endswith(TEXT_ENDINGS)
