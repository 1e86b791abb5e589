"""Updates fetched from Telegram; the offset moves only over what is settled."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby

import structlog

from bots.adapter import ChannelDownError
from bots.telegram.api import TelegramApi
from bots.telegram.errors import ApiError, AwayError, ConflictError, TokenError, TooManyError
from bots.telegram.updates import BadUpdateError, Update, read_update
from core.errors import StoreUnavailableError, trace
from core.tasks import honour_cancellation

log = structlog.get_logger()

POLL_SECONDS = 30
PAUSE_SECONDS = 0.5
"""Before what could not be taken is asked for again."""

MOST_WAITING = 80
"""Updates that may wait; Telegram gives 100 at a time, and behind them nobody would be heard."""

Take = Callable[[Update], Awaitable[bool]]
TurnAway = Callable[[Update], Awaitable[None]]


class Poller:
    """Polls for one bot until cancelled."""

    def __init__(self, api: TelegramApi, take: Take, turn_away: TurnAway) -> None:
        self._api = api
        self._take = take
        self._turn_away = turn_away
        self._full: set[object] = set()
        """Chats for which there was no room in the last batch."""
        self._offset: int | None = None
        self._settled: set[int] = set()
        """Updates above the offset that are done; Telegram sends them again all the same."""
        self._has_failed = False
        self._hindrance = ""
        """What was last complained of: an update's number, or redis."""

    async def run(self) -> None:
        """Fetch and take; raises ChannelDownError."""
        while True:
            honour_cancellation()
            updates = await self._fetch()
            if not await self._settle(updates):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _fetch(self) -> list[Update]:
        try:
            raw = await self._api.updates(self._offset, POLL_SECONDS)
        except TooManyError as error:
            await asyncio.sleep(error.seconds)
            return []
        except ApiError as error:
            # A long poll is cut now and then by what stands between.
            if self._has_failed or not isinstance(error, AwayError):
                raise ChannelDownError(_reason(error)) from None
            self._has_failed = True
            await asyncio.sleep(PAUSE_SECONDS)
            return []
        self._has_failed = False
        return _readable(raw)

    async def _settle(self, updates: Sequence[Update]) -> bool:
        """Take a batch, chats beside each other; False if something of it must come again."""
        fresh = [update for update in updates if update.update_id not in self._settled]
        self._full.clear()
        fresh.sort(key=lambda update: (update.lane, update.update_id))
        async with asyncio.TaskGroup() as group:
            for _, lane in groupby(fresh, key=lambda update: update.lane):
                group.create_task(self._take_lane(list(lane)))
        if not updates:
            return True
        await self._make_room(updates)
        left = [update.update_id for update in updates if update.update_id not in self._settled]
        newest = max(update.update_id for update in updates)
        self._offset = min(left) if left else newest + 1
        self._settled = {number for number in self._settled if number > self._offset}
        if not left:
            self._hindrance = ""
        return not left

    async def _take_lane(self, lane: Sequence[Update]) -> None:
        """Take updates in order, up to the first that cannot be taken now."""
        for update in lane:
            try:
                is_taken = await self._take(update)
            except Exception as error:  # noqa: BLE001 - one chat's update must not end the others
                self._complain(update.update_id, error)
                return
            if not is_taken:
                self._full.add(update.lane)
                return
            self._settled.add(update.update_id)

    async def _make_room(self, updates: Sequence[Update]) -> None:
        """Turn away what a full conversation has no room for where it keeps others unheard."""
        left = [update for update in updates if update.update_id not in self._settled]
        lanes = Counter(update.lane for update in left if update.lane in self._full)
        if len(left) < MOST_WAITING or not lanes:
            return
        lane, _ = lanes.most_common(1)[0]
        surplus = [update for update in left if update.lane == lane]
        log.warning("a chat writes faster than it is answered", turned_away=len(surplus))
        self._settled.update(update.update_id for update in surplus)
        await self._turn_away(surplus[-1])

    def _complain(self, number: int, error: Exception) -> None:
        """Say once what is in the way."""
        is_away = isinstance(error, StoreUnavailableError)
        cause = "redis" if is_away else str(number)
        if cause == self._hindrance:
            return
        self._hindrance = cause
        if is_away:
            log.warning("updates wait for redis")
        else:
            log.error("update cannot be taken", update=number, error=trace(error))


def _readable(raw: Sequence[object]) -> list[Update]:
    found = []
    for each in raw:
        try:
            found.append(read_update(each))
        except BadUpdateError:
            log.warning("telegram sent something that is no update")
    return found


def _reason(error: ApiError) -> str:
    match error:
        case ConflictError():
            if "webhook" in str(error).lower():
                return "a webhook was set for this bot while it polls"
            return "another program polls with this bot's token; stop it, or give it its own bot"
        case TokenError():
            return "the token is not accepted any more"
        case AwayError():
            return f"telegram is away ({error})"
    return f"polling fails ({error})"
