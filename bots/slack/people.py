"""Colleagues by id: name, time zone, language; kept in Redis for a day.

What Slack does not tell (a missing scope, an outage, too many questions) is unknown and never an
error: an answer does not depend on a name.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bots.slack.api import Api, SlackError
from bots.slack.reading import text_in
from bots.slack.shapes import at
from core.redis import UNAVAILABLE, Store

KEPT_SECONDS = 86_400
MISSED_SECONDS = 60
LOOK_UP_SECONDS = 1.5
"""Longest anybody waits for a name."""
MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class Colleague:
    """What Slack tells of somebody."""

    name: str = ""
    time_zone: str = ""
    language: str = ""
    is_answered: bool = True
    """False for bots, people who left, and strangers of other organisations."""


NOBODY = Colleague()


class People:
    """Those of one workspace."""

    def __init__(self, api: Api, store: Store) -> None:
        self._api = api
        self._store = store

    async def find(self, team: str, user: str) -> Colleague:
        """Somebody, from Redis or else from Slack."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                known = await self.recall(team, user)
                if known is not None:
                    return known
                colleague, seconds = await self._ask(team, user)
                await self._store.set(_key(team, user), _packed(colleague), ex=seconds)
                return colleague
        except (TimeoutError, *UNAVAILABLE):
            return NOBODY

    async def recall(self, team: str, user: str) -> Colleague | None:
        """Somebody, if Redis knows; raises what redis-py raises."""
        kept = await self._store.get(_key(team, user))
        return Colleague(**json.loads(kept)) if kept else None

    async def names(self, team: str, users: Iterable[str]) -> dict[str, str]:
        """The names of some people; those that are not known are left out."""
        wanted = sorted(users)[:MOST_NAMES]
        found = await asyncio.gather(*(self.find(team, user) for user in wanted))
        return {user: who.name for user, who in zip(wanted, found, strict=True) if who.name}

    async def _ask(self, team: str, user: str) -> tuple[Colleague, int]:
        """Ask Slack; also how long to believe the answer."""
        try:
            asked = {"user": user, "include_locale": "true"}
            answer = await self._api.call("users.info", asked, patient=False)
        except SlackError:
            return NOBODY, MISSED_SECONDS
        return read_colleague(at(answer, "user"), team), KEPT_SECONDS


def read_colleague(user: Any, team: str) -> Colleague:  # noqa: ANN401 - whatever Slack sent
    """Read the user of `users.info` (https://docs.slack.dev/reference/objects/user-object)."""
    profile = at(user, "profile")
    names = (profile.get("display_name"), profile.get("real_name"), user.get("name"))
    is_stranger = user.get("is_stranger") is True and user.get("team_id") != team
    return Colleague(
        text_in(next(filter(None, names), "")),
        text_in(user.get("tz")),
        text_in(user.get("locale")),
        not (user.get("is_bot") or user.get("deleted") or is_stranger),
    )


def _packed(colleague: Colleague) -> str:
    return json.dumps(asdict(colleague))


def _key(team: str, user: str) -> str:
    return f"xq:slack:person:{team}/{user}"
