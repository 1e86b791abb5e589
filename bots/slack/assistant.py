"""The assistant's pane: suggested questions, titles, and "is thinking…". All may fail unharmed.

A workspace whose plan or admins do not have it does without (`bots.slack.capabilities`).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from bots.slack.api import Api, RefusedError, SlackError
from bots.slack.blocks import Body
from bots.slack.capabilities import Capabilities
from bots.slack.events import Identity, person_address
from bots.slack.outbox import Place
from bots.slack.payload import identifier, timestamp
from bots.slack.people import People
from bots.slack.words import say
from config.persona import Persona
from core.messages import Message
from core.personas import Personas

ASSISTANT = "assistant"
TITLE = 60
"""Characters of a thread's title."""
GRACE_SECONDS = 0.25
"""An answer that comes sooner needs no status, and one call less."""
STATUS_SECONDS = 1.0
"""Longest a status may hold up an answer."""


class Assistant:
    """The panes of one account."""

    def __init__(
        self, api: Api, capabilities: Capabilities, people: People, personas: Personas
    ) -> None:
        self._api = api
        self._capabilities = capabilities
        self._people = people
        self._personas = personas

    async def greet(self, identity: Identity, thread: Mapping[str, object]) -> None:
        """Put suggested questions into a newly opened thread of the pane. Raises SlackError."""
        user = identifier(thread.get("user_id"))
        channel = identifier(thread.get("channel_id"))
        thread_ts = timestamp(thread.get("thread_ts"))
        persona = self._personas.route(person_address(identity, user)).persona
        language = (await self._people.find(identity.team, user)).language
        questions = prompts(persona, language)
        if not (channel and thread_ts and questions):
            return
        await self._call(
            "assistant.threads.setSuggestedPrompts",
            {
                "channel_id": channel,
                "thread_ts": thread_ts,
                "title": persona.greeting(language)[:200],
                "prompts": questions,
            },
        )

    async def entitle(self, message: Message) -> None:
        """Name a thread of the pane after its first question. Raises SlackError."""
        title = " ".join(message.text.translate(_HARMLESS).split())
        if len(title) > TITLE:
            title = f"{title[: TITLE - 1]}…"
        if title:
            await self._call(
                "assistant.threads.setTitle",
                {
                    "channel_id": message.envelope["channel"],
                    "thread_ts": message.address.thread,
                    "title": title,
                },
            )

    async def _call(self, method: str, args: Mapping[str, object]) -> None:
        if not self._capabilities.allow(ASSISTANT):
            return
        try:
            await self._api.call(method, args)
        except RefusedError as error:
            self._capabilities.note(ASSISTANT, error)
            raise


class Status:
    """The "is thinking…" of one thread. Slack takes it away itself when the bot writes there."""

    def __init__(self, api: Api, capabilities: Capabilities, place: Place, language: str) -> None:
        self._api = api
        self._capabilities = capabilities
        self._place = place
        self._language = language
        self._calling = asyncio.Lock()
        is_pane = bool(place.is_direct and place.thread)
        self._is_over = not (is_pane and capabilities.allow(ASSISTANT))

    async def think(self) -> None:
        """Show it, if the answer is not there before."""
        if self._is_over:
            return
        await asyncio.sleep(GRACE_SECONDS)
        async with self._calling:
            if not self._is_over:
                await self._set(say("thinking", self._language))

    async def over(self) -> None:
        """Let no status come after the answer: it would stay."""
        self._is_over = True
        async with self._calling:
            return

    async def _set(self, status: str) -> None:
        args = {"channel_id": self._place.channel, "thread_ts": self._place.thread}
        args["status"] = status
        with suppress(SlackError, TimeoutError):
            try:
                async with asyncio.timeout(STATUS_SECONDS):
                    await self._api.call("assistant.threads.setStatus", args, patient=False)
            except RefusedError as error:
                self._capabilities.note(ASSISTANT, error)


def prompts(persona: Persona, language: str) -> list[Body]:
    """Suggested questions for the pane, which takes four."""
    questions = persona.suggestions(language) or persona.suggestions(persona.languages[0])
    return [{"title": question[:75], "message": question} for question in questions[:4]]


_HARMLESS = str.maketrans({"<": "‹", ">": "›", "&": "＆", "@": "＠"})
