"""What visitors say: messages, stops and thumbs. All of it goes through the inbox or its stream."""

import time

import structlog
from aiohttp import web

from bots.http import accepted, error_response
from bots.web.access import Access, Caller
from bots.web.bodies import TEXT_LIMIT, MessageBody, StopBody, VoteBody
from bots.web.channel import SAMPLING
from bots.web.conversations import Conversations
from bots.web.doors import BUSY_SECONDS, address_of, body_of, bucket
from bots.web.events import (
    CHANNEL,
    emit,
    message_id,
    news_channel,
    question_event,
    stop_key,
    vote_event,
)
from bots.web.files import FileGoneError, Files
from bots.web.stream import EventStreams
from bots.web.words import FILE_GONE, our_language
from config.settings import LimitSettings
from core.feedback import Feedback, ticket
from core.inbox import Inbox
from core.lanes import Receipt
from core.language import detect_language
from core.limits import Limiter
from core.messages import Address, Message
from core.metrics import Metrics
from core.redis import Store, run_effects

log = structlog.get_logger()

STOP_SECONDS = "600"


class MessageDoors:
    """Takes in what visitors say."""

    def __init__(  # noqa: PLR0913 - a door knows the parts behind it
        self,
        *,
        store: Store,
        inbox: Inbox,
        access: Access,
        conversations: Conversations,
        streams: EventStreams,
        files: Files,
        feedback: Feedback,
        limiter: Limiter,
        limits: LimitSettings,
        metrics: Metrics,
        history_hours: float,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._access = access
        self._conversations = conversations
        self._streams = streams
        self._files = files
        self._feedback = feedback
        self._limiter = limiter
        self._limits = limits
        self._metrics = metrics
        self._history_hours = history_hours

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where they are mounted."""
        return [
            web.post("/web/{account}/messages", self.message),
            web.post("/web/{account}/stop", self.stop),
            web.post("/web/{account}/votes", self.vote),
        ]

    async def message(self, request: web.Request) -> web.Response:
        """Accept a message; safe to repeat with the same id."""
        caller = self._access.writer(request)
        body = await body_of(request, MessageBody)
        if body.is_empty:
            return error_response(400)
        if len(body.text) > TEXT_LIMIT:
            return error_response(413)
        address = address_of(self._conversations, caller, body.conversation)
        try:
            message = await self._message(caller, address, body)
        except FileGoneError:
            language = our_language(request.headers.get("Accept-Language", ""))
            return error_response(410, FILE_GONE[language])
        if await self._is_too_fast(caller, address):
            return _turn_away(caller, message, Receipt.LANE_FULL)
        receipt = await self._accept(message, body.retries)
        self._metrics.accepted.labels(CHANNEL, receipt.value).inc()
        if receipt in (Receipt.ACCEPTED, Receipt.DUPLICATE):
            log.debug("message accepted", message=message.digest, receipt=receipt.value)
            return accepted()
        return _turn_away(caller, message, receipt)

    async def stop(self, request: web.Request) -> web.Response:
        """End an answer; the worker that gives it reads the key, and news has it do so at once."""
        caller = self._access.writer(request)
        body = await body_of(request, StopBody)
        conversation = address_of(self._conversations, caller, body.conversation).key
        partition = self._inbox.partition(conversation)
        effects = [
            ("SET", stop_key(partition, conversation), body.reply, "EX", STOP_SECONDS),
            ("PUBLISH", news_channel(partition), conversation),
        ]
        await run_effects(self._store, effects)
        return accepted()

    async def vote(self, request: web.Request) -> web.Response:
        """Take a thumb for an answer that the visitor got."""
        caller = self._access.writer(request)
        body = await body_of(request, VoteBody)
        address = address_of(self._conversations, caller, body.conversation)
        about = [
            event
            for event in await self._streams.past(address.key)
            if event.get("reply") == body.reply and event["type"] in ("done", "vote")
        ]
        if not about:
            return error_response(404)
        if about[-1].get("vote") != body.vote:
            await self._note_vote(caller, address, body)
        return accepted()

    async def _note_vote(self, caller: Caller, address: Address, body: VoteBody) -> None:
        answered = Message(message_id(caller.visitor, body.reply), address, "", 0)
        carried = ticket(address.key, answered.digest, up=body.vote == "up")
        await self._feedback.take(carried, caller.visitor, CHANNEL)
        events = [vote_event(body.reply, body.vote)]
        partition = self._inbox.partition(address.key)
        await run_effects(self._store, emit(partition, address.key, events, self._history_hours))

    async def _message(self, caller: Caller, address: Address, body: MessageBody) -> Message:
        has_words = bool(body.text.strip())
        attachments = await self._files.attachments(
            address, body.files, may_be_gone=has_words and body.retries is not None
        )
        may_sample = caller.persona.card.page.sampling and body.sampling
        return Message(
            message_id(caller.visitor, body.id),
            address,
            body.text,
            time.time(),
            attachments=attachments,
            envelope={SAMPLING: body.sampling.model_dump_json()}
            if may_sample and body.sampling
            else {},
            is_again=body.retries is not None,
        )

    async def _is_too_fast(self, caller: Caller, address: Address) -> bool:
        """Whether the visitor goes round its first conversation's limit by beginning others."""
        if not address.thread:
            return False
        name, limits = bucket("messages", caller.visitor), self._limits
        return bool(await self._limiter.wait_seconds(name, limits.per_minute, limits.burst))

    async def _accept(self, message: Message, retries: str | None) -> Receipt:
        conversation = message.address.key
        events = [question_event(message, retries)]
        partition = self._inbox.partition(conversation)
        effects = emit(partition, conversation, events, self._history_hours)
        effects += self._conversations.note(message.address)
        return await self._inbox.accept(message, effects)


def _turn_away(caller: Caller, message: Message, receipt: Receipt) -> web.Response:
    """Say in the persona's words that there is too much to do."""
    log.warning("message turned away", message=message.digest, receipt=receipt.value)
    language = detect_language(message.text, caller.persona.languages, None)
    status = 429 if receipt is Receipt.LANE_FULL else 503
    text = caller.persona.sentence("busy", language)
    return error_response(status, text, {"Retry-After": BUSY_SECONDS})
