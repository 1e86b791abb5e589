"""What the items of a page make happen, before the cursor moves past them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from bots.wecom.api import WeComApi
from bots.wecom.errors import ApiError
from bots.wecom.kf import content
from bots.wecom.kf.events import (
    CHANNEL,
    ENDED,
    Asked,
    Customer,
    Desk,
    Entered,
    Event,
    Failed,
    Moved,
    Recalled,
    Served,
    customer_of,
    understand,
)
from bots.wecom.kf.items import BadItemError, Item, Origin, parse_item
from bots.wecom.kf.records import HELD, Record, Records, State
from bots.wecom.kf.sessions import Sessions
from bots.wecom.kf.transcript import CUSTOMER, SERVICER, Transcript
from bots.wecom.words import BACK, THANKS, TOO_FAST, say
from core.audit import audit_record
from core.feedback import Feedback
from core.inbox import Inbox
from core.lanes import Receipt
from core.messages import Message
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Effect

log = structlog.get_logger()

CODE_SECONDS = 20.0
"""The codes of a welcome and of an end are good for so long
(developer.work.weixin.qq.com/document/path/95122)."""
SIGN_SECONDS = 5.0


class FullError(Exception):
    """The inbox takes nothing now; the page has to come again."""


class Intake:
    """Takes the items of one entry's kf accounts."""

    def __init__(  # noqa: PLR0913 - where the parts of the house meet
        self,
        desk: Desk,
        api: WeComApi,
        sessions: Sessions,
        records: Records,
        transcript: Transcript,
        *,
        inbox: Inbox,
        feedback: Feedback,
        personas: Personas,
        metrics: Metrics,
    ) -> None:
        self._desk = desk
        self._api = api
        self._sessions = sessions
        self._records = records
        self._transcript = transcript
        self._inbox = inbox
        self._feedback = feedback
        self._personas = personas
        self._metrics = metrics

    async def take(self, raw_items: Sequence[Any], open_kfid: str, since: float) -> None:
        """Act on all items; a customer's in their order, customers beside each other.

        What customers wrote before `since` is passed over. Raises FullError or
        StoreUnavailableError; then the page has to come again, and what was done is not done twice.
        """
        customers: dict[Customer, list[Item]] = {}
        for raw in raw_items:
            try:
                item = parse_item(raw)
            except BadItemError as error:
                log.warning("kf item cannot be read", error=str(error))
                continue
            is_old = item.origin == Origin.CUSTOMER and item.send_time < since
            customer = customer_of(item, open_kfid, self._desk)
            if customer and not is_old:
                customers.setdefault(customer, []).append(item)
        said = await asyncio.gather(
            *(self._follow(customer, items) for customer, items in customers.items()),
            return_exceptions=True,
        )
        wrong = [error for error in said if error is not None]
        if wrong:
            raise wrong[0]

    async def _follow(self, customer: Customer, items: Sequence[Item]) -> None:
        for item in items:
            event = understand(item, customer, time.time())
            if isinstance(event, Asked):
                await self._hear(customer, event)
            elif event and not await self._records.is_done(customer, item.msgid):
                effects = await self._act(customer, event, item.msgid)
                await self._records.write([*effects, *self._records.done(customer, item.msgid)])
                if isinstance(event, Failed):
                    self._metrics.undelivered.labels(CHANNEL, event.reason).inc()

    async def _act(self, customer: Customer, event: Event, msgid: str) -> list[Effect]:
        """Do what may be done again, and say what has to be written down."""
        match event:
            case Entered():
                return await self._welcome(customer, event, msgid)
            case Served(words):
                said = self._transcript.add(customer, SERVICER, words)
                return [*said, *self._records.moved(customer, State.SERVICER)]
            case Moved():
                return await self._follow_move(customer, event, msgid)
            case Failed():
                return [self._failure(customer, event)]
            case Recalled(message):
                await self._inbox.amend(message)
        return []

    async def _hear(self, customer: Customer, asked: Asked) -> None:
        """A customer's words: for the inbox, or aside while a person has the customer."""
        record = await self._records.load(customer)
        wrote = self._records.wrote(customer, asked.written_at)
        if asked.vote and await self._feedback.take(asked.vote, customer.user, CHANNEL):
            await self._records.write(wrote)
            await self._say(customer, say(THANKS, self._language(customer)), "thanks")
        elif await self._is_held(customer, record):
            await self._put_aside(customer, asked.message, wrote)
        else:
            await self._accept(customer, asked.message, record, wrote)

    async def _is_held(self, customer: Customer, record: Record) -> bool:
        """Whether a person has the customer; looked at again if that is known since a while.

        Where WeCom cannot say it now, no: before an answer leaves it is asked again, with patience.
        What is put aside is not.
        """
        if not record.is_held or record.is_fresh:
            return record.is_held
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                return await self._sessions.state(customer) in HELD
        except (ApiError, TimeoutError):
            return False

    async def _put_aside(
        self, customer: Customer, message: Message, wrote: Sequence[Effect]
    ) -> None:
        """Keep what was said to a person, who answers it."""
        if await self._records.is_done(customer, message.id):
            return
        words = message.text or f"[{message.attachments[0].kind}]"
        said = self._transcript.add(customer, CUSTOMER, words)
        done = [*self._records.done(customer, message.id), self._inbox.passing(message)]
        await self._records.write([*wrote, *said, *done])

    async def _accept(
        self, customer: Customer, message: Message, record: Record, wrote: Sequence[Effect]
    ) -> None:
        was_held = record.state not in (None, State.ASSISTANT)
        said = await self._transcript.close(customer) if was_held else []
        if record.source:
            message = replace(message, source=record.source)
        receipt = await self._inbox.accept(message, [*wrote, *said])
        self._metrics.accepted.labels(CHANNEL, receipt.value).inc()
        match receipt:
            case Receipt.BACKLOG_FULL:
                raise FullError
            case Receipt.LANE_FULL:
                # To wait for it would keep the account's other customers waiting.
                log.warning("message turned away", message=message.digest, receipt=receipt.value)
                await self._records.write(wrote)
                await self._say(customer, say(TOO_FAST, self._language(customer)), "too fast")

    async def _welcome(self, customer: Customer, entered: Entered, msgid: str) -> list[Effect]:
        if _is_good(entered.code, entered.at):
            persona = self._personas.route(customer.address).persona
            await self._answer_event(customer, entered.code, msgid, content.welcome(persona))
        return self._records.came_from(customer, entered.source)

    def _language(self, customer: Customer) -> str:
        return content.language_of(self._personas.route(customer.address).persona)

    async def _follow_move(self, customer: Customer, moved: Moved, msgid: str) -> list[Effect]:
        """A servicer did something in the WeCom client."""
        state = State.ENDED if moved.change == ENDED else State.SERVICER
        if state is State.ENDED and _is_good(moved.code, moved.at):
            words = content.text(say(BACK, self._language(customer)))
            await self._answer_event(customer, moved.code, msgid, words)
        return self._records.moved(customer, state)

    def _failure(self, customer: Customer, failed: Failed) -> Effect:
        log.warning(
            "message did not arrive",
            channel=CHANNEL,
            conversation=customer.address.key,
            reason=failed.reason,
        )
        fields = {
            "channel": CHANNEL,
            "account": customer.address.account,
            "conversation": customer.address.key,
            "delivery": "failed",
            "reason": failed.reason,
            "sent_as": failed.msgid,
        }
        return audit_record(self._inbox.partition(customer.address.key), fields)

    async def _answer_event(
        self, customer: Customer, code: str, msgid: str, words: content.Content
    ) -> None:
        """Say the one thing that a code allows; too late or said already is no harm."""
        ours = content.msgid_of(customer.address.key, msgid)
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                await self._sessions.say_on_event(code, ours, words)
        except (ApiError, TimeoutError) as error:
            log.info("event not answered", channel=CHANNEL, error=type(error).__name__)

    async def _say(self, customer: Customer, words: str, name: str) -> None:
        """Say something that nobody misses if it does not arrive; under a name once a minute."""
        name = f"{name}/{int(time.time() / 60)}"
        if await self._records.is_done(customer, name):
            return
        body = {
            "touser": customer.user,
            "open_kfid": customer.open_kfid,
            "msgid": content.msgid_of(customer.address.key, name),
            **content.text(words),
        }
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                await self._api.call("kf/send_msg", body)
        except (ApiError, TimeoutError) as error:
            log.info("sign not shown", channel=CHANNEL, error=type(error).__name__)
        done = self._records.done(customer, name)
        await self._records.write([*self._records.counted(customer), *done])


def _is_good(code: str, given_at: float) -> bool:
    """Whether something can still be said with a code."""
    return bool(code) and time.time() - given_at <= CODE_SECONDS
