"""Answers go out to the customers of kf: whole, in few messages, and never over a person's head."""

import asyncio
import time
from collections.abc import AsyncGenerator

import structlog

from bots.pace import draw
from bots.wecom.api import WeComApi
from bots.wecom.errors import ApiError
from bots.wecom.kf import content
from bots.wecom.kf.events import CHANNEL, Customer, Desk
from bots.wecom.kf.outbox import Outbox
from bots.wecom.kf.records import ANSWER_SECONDS, RESERVE, Records
from bots.wecom.kf.sessions import Sessions
from bots.wecom.media import read_files
from bots.wecom.patience import insist
from bots.wecom.words import THINKING, say
from config.settings import WeComSettings
from core.channel import Delivery
from core.enclosures import Enclosures
from core.errors import PlatformAwayError, UndeliverableError
from core.feedback import ticket
from core.language import detect_language
from core.personas import Personas
from core.replies import Origin, Outcome, Reply, ReplyEvent
from core.tasks import beside, honour_cancellation
from core.turn import Turn

log = structlog.get_logger()

HAND_OVER_SECONDS = 30.0
NEVER_SECONDS = 3_600.0


class KfChannel:
    """Brings replies to customers."""

    is_atomic = False

    def __init__(
        self,
        settings: WeComSettings,
        api: WeComApi,
        desk: Desk,
        sessions: Sessions,
        records: Records,
        personas: Personas,
    ) -> None:
        self._settings = settings
        self._api = api
        self._desk = desk
        self._sessions = sessions
        self._records = records
        self._personas = personas

    async def enclosures(self, turn: Turn) -> Enclosures:
        """Text files that came along."""
        return await read_files(self._api, turn.attachments)

    async def reply(
        self, turn: Turn, events: AsyncGenerator[ReplyEvent, None], delivery: Delivery
    ) -> None:
        """Send an answer when it is finished; goes on where a crash cut it."""
        address = turn.address
        customer = self._desk.customer(address.account.partition("/")[2], address.user)
        outbox = Outbox(self._api, self._sessions, self._records, customer, delivery)
        speaking = asyncio.Lock()
        async with beside(self._wait(turn, outbox, speaking)) as waiting:
            reply = await draw(events, _show_nothing)
            async with speaking:  # not in the middle of a call: it would be made again
                waiting.cancel()
        await outbox.own()
        count = await self._send(turn, reply, outbox, delivery)
        is_wanted = reply.outcome is Outcome.HANDED_OVER and self._settings.kf_hand_over
        if is_wanted and not await self._hand_over(customer, delivery):
            await self._regret(customer, reply, outbox, delivery, count)

    async def _wait(self, turn: Turn, outbox: Outbox, speaking: asyncio.Lock) -> None:
        """While the answer is thought of: make the customer ours, and ask for patience once."""
        async with speaking:
            await outbox.prepare()
        honour_cancellation()
        patience = self._settings.kf_thinking_seconds
        if not patience:
            return
        waited = time.time() - turn.messages[0].received_at
        await asyncio.sleep(max(0.0, patience - waited))
        async with speaking:
            words = say(THINKING, detect_language(turn.text, ("zh", "en"), None))
            await outbox.think(content.text(words))

    async def _send(self, turn: Turn, reply: Reply, outbox: Outbox, delivery: Delivery) -> int:
        """Everything that has not left yet, as far as WeCom lets us; how many parts there are."""
        record = outbox.record
        if record.written_at and record.written_at + ANSWER_SECONDS < time.time():
            raise UndeliverableError("the customer wrote more than 48 hours ago")
        most = min(content.MOST_PARTS, delivery.sent + max(1, record.left - RESERVE))
        texts = content.parts(reply.text, most, reply.language)
        for number in range(delivery.sent, len(texts)):
            is_last = number == len(texts) - 1
            thumbs = self._thumbs(turn, reply, texts[number]) if is_last else None
            await outbox.send(number, thumbs or content.text(texts[number]))
        return len(texts)

    def _thumbs(self, turn: Turn, reply: Reply, words: str) -> content.Content | None:
        is_answer = reply.outcome is Outcome.ANSWERED and reply.origin is not Origin.FIXED
        if not (is_answer and self._settings.kf_thumbs):
            return None
        key, digest = turn.address.key, turn.messages[0].digest
        tickets = (ticket(key, digest, up=True), ticket(key, digest, up=False))
        return content.asking(words, reply.language, tickets)

    async def _hand_over(self, customer: Customer, delivery: Delivery) -> bool:
        """Give the customer to a servicer; False if none receives, or it cannot be done now."""
        try:
            move = await insist(
                lambda: self._sessions.hand_over(customer), delivery.pause, HAND_OVER_SECONDS
            )
        except (ApiError, PlatformAwayError) as error:
            log.warning("not handed over", channel=CHANNEL, error=type(error).__name__)
            return False
        return move is not None

    async def _regret(
        self, customer: Customer, reply: Reply, outbox: Outbox, delivery: Delivery, count: int
    ) -> None:
        """Say that nobody is there, where something else was said."""
        persona = self._personas.route(customer.address).persona
        words = persona.sentence("off_hours", reply.language)
        if delivery.sent == count and words != reply.text:
            await outbox.send(count, content.text(words))


async def _show_nothing(_: str) -> float:
    return NEVER_SECONDS
