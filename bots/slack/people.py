"""Colleagues by id: name, time zone, language; kept in Redis for a day, at hand for a minute.

What Slack does not tell (a missing scope, an outage, too many questions) is unknown and never an
error: an answer does not depend on a name.
"""

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bots.slack.api import Api, SlackError
from bots.slack.payload import at, text_in
from core.redis import UNAVAILABLE, Store

KEPT_SECONDS = 86_400
AT_HAND_SECONDS = 60.0
MOST_AT_HAND = 2_000
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
        self._at_hand: dict[tuple[str, str], tuple[float, Colleague]] = {}

    async def find(self, team: str, user: str) -> Colleague:
        """Somebody, from memory, from Redis or else from Slack."""
        now = time.monotonic()
        until, colleague = self._at_hand.get((team, user), (0.0, NOBODY))
        if now < until:
            return colleague
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                colleague = await self._look_up(team, user)
        except (TimeoutError, *UNAVAILABLE):
            return NOBODY
        if len(self._at_hand) >= MOST_AT_HAND:
            self._at_hand.clear()
        self._at_hand[team, user] = (now + AT_HAND_SECONDS, colleague)
        return colleague

    async def names(self, team: str, users: Iterable[str]) -> dict[str, str]:
        """The names of some people; those that are not known are left out."""
        wanted = sorted(users)[:MOST_NAMES]
        found = await asyncio.gather(*(self.find(team, user) for user in wanted))
        return {user: who.name for user, who in zip(wanted, found, strict=True) if who.name}

    async def _look_up(self, team: str, user: str) -> Colleague:
        kept = await self._store.get(_key(team, user))
        if colleague := _unpacked(kept):
            return colleague
        colleague, seconds = await self._ask(team, user)
        await self._store.set(_key(team, user), _packed(colleague), ex=seconds)
        return colleague

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


def _unpacked(kept: str | bytes | None) -> Colleague | None:
    """None also for what another version of XiaoQ kept."""
    try:
        return Colleague(**json.loads(kept)) if kept else None
    except (ValueError, TypeError):
        return None


def _key(team: str, user: str) -> str:
    return f"xq:slack:person:{team}/{user}"
