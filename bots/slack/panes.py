"""The assistant's pane and the home tab: prompts, titles, views. All of it may fail unharmed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bots.slack.api import Api, RefusedError
from bots.slack.attention import PANES
from bots.slack.events import PLATFORM, Identity
from bots.slack.home import home, numbers_of, prompts
from bots.slack.people import People
from bots.slack.powers import Powers
from bots.slack.shapes import identifier, timestamp
from config.persona import Persona
from core.messages import Address, Message
from core.metrics import Metrics
from core.personas import Personas

State = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]

TITLE = 60
"""Characters of a thread's title."""


class Panes:
    """What one account shows beside its messages."""

    def __init__(  # noqa: PLR0913 - what is shown comes from everywhere
        self,
        *,
        api: Api,
        powers: Powers,
        people: People,
        personas: Personas,
        metrics: Metrics,
        state: State,
        admins: tuple[str, ...],
    ) -> None:
        self._api = api
        self._powers = powers
        self._people = people
        self._personas = personas
        self._metrics = metrics
        self._state = state
        self._admins = admins

    async def greet(self, identity: Identity, thread: Mapping[str, Any]) -> None:
        """Put suggested questions into a newly opened thread of the pane. Raises SlackError."""
        user = identifier(thread.get("user_id"))
        channel = identifier(thread.get("channel_id"))
        thread_ts = timestamp(thread.get("thread_ts"))
        persona = self._persona(identity, user)
        language = await self._language(identity, user)
        questions = prompts(persona, language)
        if not (channel and thread_ts and questions):
            return
        await self._on_pane(
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
            await self._on_pane(
                "assistant.threads.setTitle",
                {
                    "channel_id": message.envelope["channel"],
                    "thread_ts": message.address.thread,
                    "title": title,
                },
            )

    async def show_home(self, identity: Identity, user: str) -> None:
        """Bring somebody's home tab up to date. Raises SlackError."""
        _, report = await self._state()
        numbers = numbers_of(report, self._metrics) if user in self._admins else None
        language = await self._language(identity, user)
        view = home(self._persona(identity, user), language, report, numbers)
        await self._api.call("views.publish", {"user_id": user, "view": view})

    def _persona(self, identity: Identity, user: str) -> Persona:
        address = Address(PLATFORM, identity.account, identity.team, user)
        return self._personas.route(address).persona

    async def _language(self, identity: Identity, user: str) -> str:
        """The language of somebody's Slack, such as zh-CN; empty if unknown."""
        return (await self._people.find(identity.team, user)).language

    async def _on_pane(self, method: str, args: Mapping[str, object]) -> None:
        if not self._powers.may(PANES):
            return
        try:
            await self._api.call(method, args)
        except RefusedError as error:
            self._powers.note(PANES, error)
            raise


_HARMLESS = str.maketrans({"<": "‹", ">": "›", "&": "＆", "@": "＠"})
