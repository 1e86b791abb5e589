"""The home tab: what XiaoQ can do, how its parts are, and for admins what waits."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bots.slack.api import Api
from bots.slack.blocks import Body
from bots.slack.events import Identity, person_address
from bots.slack.payload import at
from bots.slack.people import People
from bots.slack.words import say
from config.persona import Persona
from core.metrics import Metrics
from core.personas import Personas
from core.replies import Outcome

Health = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
"""Asks whether XiaoQ is ready, and how its parts are."""

SIGNS = {"ok": "✔", "off": "○", "degraded": "▲", "down": "✘"}
SECTION = 2_900


@dataclass(frozen=True, slots=True)
class Numbers:
    """What admins see."""

    waiting: int
    oldest_seconds: float
    dead_letters: int
    hand_offs: int
    """Of this process since it started."""


class Home:
    """The home tabs of one account."""

    def __init__(
        self,
        *,
        api: Api,
        people: People,
        personas: Personas,
        metrics: Metrics,
        health: Health,
        admins: tuple[str, ...],
    ) -> None:
        self._api = api
        self._people = people
        self._personas = personas
        self._metrics = metrics
        self._health = health
        self._admins = admins

    async def show(self, identity: Identity, user: str) -> None:
        """Bring somebody's tab up to date. Raises SlackError."""
        _, report = await self._health()
        numbers = numbers_of(report, self._metrics) if user in self._admins else None
        language = (await self._people.find(identity.team, user)).language
        persona = self._personas.route(person_address(identity, user)).persona
        view = home_view(persona, language, report, numbers)
        await self._api.call("views.publish", {"user_id": user, "view": view})


def numbers_of(report: Mapping[str, Any], metrics: Metrics) -> Numbers:
    """Read them from a health report and the counters."""
    queue = at(at(report, "parts"), "queue")
    hand_offs = sum(
        sample.value
        for metric in metrics.answered.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["outcome"] == Outcome.HANDED_OVER
    )
    return Numbers(
        int(queue.get("waiting", 0)),
        float(queue.get("oldest_seconds", 0.0)),
        int(queue.get("dead_letters", 0)),
        int(hand_offs),
    )


def home_view(
    persona: Persona, language: str, report: Mapping[str, Any], numbers: Numbers | None
) -> Body:
    """The view (https://docs.slack.dev/surfaces/app-home)."""
    questions = persona.suggestions(language) or persona.suggestions(persona.languages[0])
    blocks = [
        _header(persona.card.name),
        _section(persona.greeting(language)),
        _section(persona.sentence("help", language)),
        _section(say("ways", language), is_ours=True),
    ]
    if questions:
        lines = "\n".join(f"• {question}" for question in questions)
        blocks += [_header(say("try", language)), _section(lines)]
    blocks += [_header(say("parts", language)), _section(_states(report))]
    if numbers:
        blocks += [_header(say("queue", language)), _section(_counts(numbers, language))]
    return {"type": "home", "blocks": blocks}


def _states(report: Mapping[str, Any]) -> str:
    parts: Sequence[tuple[str, Any]] = list(at(report, "parts").items())
    lines = [f"{SIGNS.get(str(part.get('state')), '?')} {name}" for name, part in parts]
    return "\n".join(lines) or "?"


def _counts(numbers: Numbers, language: str) -> str:
    counts = {
        "waiting": numbers.waiting,
        "oldest": round(numbers.oldest_seconds),
        "dead": numbers.dead_letters,
        "hand_offs": numbers.hand_offs,
    }
    return "\n".join(f"{say(word, language)}: {count}" for word, count in counts.items())


def _header(text: str) -> Body:
    return {"type": "header", "text": {"type": "plain_text", "text": text[:150], "emoji": False}}


def _section(text: str, *, is_ours: bool = False) -> Body:
    """A section; only words of our own are mrkdwn."""
    kind = "mrkdwn" if is_ours else "plain_text"
    return {"type": "section", "text": {"type": kind, "text": text[:SECTION]}}
