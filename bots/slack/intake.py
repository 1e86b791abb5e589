"""What becomes of what Slack brings: messages are written down, votes counted, views shown.

Everything here ends before Slack gets its acknowledgement; only what an answer does not need
(titles, prompts, the home tab) is done in the background. Raises StoreUnavailableError or
NotTakenError where something has to come again.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from bots.slack.assistant import Assistant
from bots.slack.background import BackgroundTasks
from bots.slack.ephemeral import Ephemeral
from bots.slack.events import (
    PLATFORM,
    Change,
    Heard,
    Identity,
    hear,
    hear_command,
    hear_shortcut,
    hear_vote,
    people_in,
)
from bots.slack.home import Home
from bots.slack.payload import at, identifier
from bots.slack.people import People
from bots.slack.words import language_of, say
from core.errors import StoreUnavailableError
from core.feedback import Feedback
from core.inbox import Inbox
from core.lanes import Amendment, Receipt
from core.messages import Address, Message
from core.metrics import Metrics
from core.redis import UNAVAILABLE, Effect, Store

log = structlog.get_logger()

KEPT_SECONDS = 30 * 86_400
"""How long a thread is taken part in after its last question; then a mention is needed again."""
FULL = (Receipt.LANE_FULL, Receipt.BACKLOG_FULL)


class NotTakenError(Exception):
    """There is no room for a message; Slack shall bring it again."""


class Threads:
    """The channel threads XiaoQ takes part in: what is said there is answered without a mention.

    Kept beside the conversation, so that joining one is part of accepting its message.
    """

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox

    def joining(self, address: Address) -> list[Effect]:
        """The effect that remembers a thread, for `inbox.accept`; none for anything else."""
        if address.user:
            return []
        return [("SET", self._key(address), "", "EX", str(KEPT_SECONDS))]

    async def takes_part(self, address: Address) -> bool:
        """Whether it was asked something in this thread. Raises StoreUnavailableError."""
        try:
            return bool(await self._store.exists(self._key(address)))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    async def is_new(self, address: Address) -> bool:
        """Whether this is asked of a thread for the first time. Raises StoreUnavailableError."""
        key = self._inbox.partition(address.key).key("slack-title", address.key)
        try:
            return bool(await self._store.set(key, "", nx=True, ex=KEPT_SECONDS))
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error

    def _key(self, address: Address) -> str:
        return self._inbox.partition(address.key).key("slack-thread", address.key)


class Intake:
    """One account's."""

    def __init__(  # noqa: PLR0913 - everything that Slack can bring ends up somewhere else
        self,
        *,
        inbox: Inbox,
        threads: Threads,
        feedback: Feedback,
        people: People,
        assistant: Assistant,
        home: Home,
        ephemeral: Ephemeral,
        background: BackgroundTasks,
        metrics: Metrics,
    ) -> None:
        self._inbox = inbox
        self._threads = threads
        self._feedback = feedback
        self._people = people
        self._assistant = assistant
        self._home = home
        self._ephemeral = ephemeral
        self._background = background
        self._metrics = metrics
        self._is_full = False

    async def take_message(self, event: Mapping[str, Any], identity: Identity) -> None:
        """A `message` or `app_mention`: written, edited or deleted."""
        heard = hear(event, identity, {}, time.time())
        if heard is None or not await self._concerns(heard):
            return
        if others := people_in(event, identity):
            names = await self._people.names(identity.team, others)
            heard = hear(event, identity, names, time.time()) or heard
        if heard.change is Change.WRITTEN or heard.is_newly_addressed:
            await self._written(heard.message)
            return
        is_too_late = await self._inbox.amend(heard.message) is Amendment.IN_WORK
        if is_too_late and heard.change is Change.EDITED:
            again = f"{heard.message.id}/edited/{heard.event_ts}"
            await self._accept(replace(heard.message, id=again))

    async def take_command(self, body: Mapping[str, Any], identity: Identity) -> str:
        """A slash command; returns what to acknowledge it with."""
        message = hear_command(body, identity, time.time())
        if message is None:
            return ""
        await self._accept(message)
        if message.text.startswith("/"):
            return ""
        return f"{say('asked', language_of(message.text))}: {_escaped(message.text)}"

    async def take_shortcut(self, body: Mapping[str, Any], identity: Identity) -> None:
        """Somebody wants a message answered."""
        said = at(body, "message")
        names = await self._people.names(identity.team, people_in(said, identity))
        message = hear_shortcut(body, identity, names, time.time())
        if message is None:
            self._note(body, "nothing_to_answer")
        elif await self._accept(message, joins=True) is Receipt.DUPLICATE:
            self._note(body, "answered_before")

    async def take_vote(self, body: Mapping[str, Any]) -> None:
        """A thumb under an answer."""
        vote = hear_vote(body)
        if vote:
            await self._feedback.take(*vote, PLATFORM)

    async def open_assistant(self, event: Mapping[str, Any], identity: Identity) -> None:
        """Somebody begins a thread in the assistant's pane."""
        self._background.start(self._assistant.greet(identity, at(event, "assistant_thread")))

    async def open_home(self, event: Mapping[str, Any], identity: Identity) -> None:
        """Somebody looks at the home tab."""
        user = identifier(event.get("user"))
        if event.get("tab") == "home" and user:
            self._background.start(self._home.show(identity, user))

    async def _concerns(self, heard: Heard) -> bool:
        """Whether it is said to XiaoQ, or changes what may have been."""
        if heard.is_addressed or heard.change is not Change.WRITTEN:
            return True
        return await self._threads.takes_part(heard.message.address)

    async def _written(self, message: Message) -> None:
        receipt = await self._accept(message, joins=True)
        in_pane = message.address.user and message.address.thread
        if receipt is Receipt.ACCEPTED and in_pane and not message.text.startswith("/"):
            self._background.start(self._entitle(message))

    async def _entitle(self, message: Message) -> None:
        if await self._threads.is_new(message.address):
            await self._assistant.entitle(message)

    async def _accept(self, message: Message, *, joins: bool = False) -> Receipt:
        if message.text.startswith("/"):  # it says nothing of its writer's language
            envelope = message.envelope
            colleague = await self._people.find(envelope["team"], envelope["user"])
            message = replace(message, language=colleague.language)
        effects = self._threads.joining(message.address) if joins else []
        receipt = await self._inbox.accept(message, effects)
        self._metrics.accepted.labels(PLATFORM, receipt.value).inc()
        if receipt in FULL:
            if not self._is_full:
                log.warning("no room for messages", channel=PLATFORM, receipt=receipt.value)
            self._is_full = True
            raise NotTakenError(receipt.value)
        self._is_full = False
        return receipt

    def _note(self, body: Mapping[str, Any], word: str) -> None:
        """Tell the one who clicked."""
        said, url = at(body, "message").get("text"), body.get("response_url")
        if isinstance(url, str):
            text = say(word, language_of(said if isinstance(said, str) else ""))
            self._background.start(self._ephemeral.note(url, text))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
