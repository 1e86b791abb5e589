"""How updates reach a bot: kept until they are confirmed, by polling or by webhook.

Telegram's server keeps one queue a bot. With a webhook, updates of one chat go one after another
and those of other chats beside them, up to `max_connections` at once; what is not answered with
2xx is sent again, later each time (`WebhookActor.cpp` of github.com/tdlib/telegram-bot-api).
"""

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout
from peers.telegram_wire import Body, News, RefusedError

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
ONLY_WHEN_NAMED = {"chat_member", "message_reaction", "message_reaction_count"}
"""Kinds of updates that come only to those who ask for them."""
TWO_POLLERS = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
WEBHOOK_SET = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)

Lane = tuple[str, int]


@dataclass(slots=True)
class Post:
    """What the deliveries of all bots share."""

    session: ClientSession
    tasks: asyncio.TaskGroup
    news: News
    up: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is delivered while this is not set."""
    timeout: float = 60.0
    """Seconds that a webhook may take to answer."""
    first_wait: float = 0.02
    """Seconds before the second try; a second at Telegram. Each further one waits twice as long."""
    longest_wait: float = 1.0
    """A minute at Telegram."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where updates are sent."""

    url: str
    secret: str = ""
    max_connections: int = 40
    """Deliveries under way at once."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """An update on its way; `again` when it was confirmed before and comes once more."""

    update: Body
    lane: Lane
    again: bool

    @property
    def update_id(self) -> int:
        """Return the number of the update."""
        return int(self.update["update_id"])


class Outbox:
    """The updates of one bot that are not confirmed yet."""

    def __init__(self, post: Post) -> None:
        self.webhook: Webhook | None = None
        self.last_error: tuple[int, str] | None = None
        """When and how a delivery last failed, since the webhook was set."""
        self.allowed: frozenset[str] = frozenset()
        """Kinds of updates the bot asked for; none means the usual ones."""
        self.unwanted: list[Body] = []
        """Updates it never gets, for it did not ask for their kind."""
        self.conflicts = 0
        """Polls ended because another began."""
        self.attempts = 0
        """Deliveries to the webhook, those that failed too."""
        self._post = post
        self._numbers = count(1)
        self._parcels: dict[int, Parcel] = {}
        self._lanes: dict[Lane, deque[int]] = {}
        self._draining: set[Lane] = set()
        self._slots = asyncio.Semaphore(1)
        self._confirmed = 0
        self._poll: asyncio.Future[str] | None = None

    @property
    def pending(self) -> list[Body]:
        """Return the updates that are not confirmed."""
        return [parcel.update for parcel in self._parcels.values()]

    def add(self, update: Body, lane: Lane) -> None:
        """Send an update; one that was confirmed before is sent once more."""
        kind = next(name for name in update if name != "update_id")
        if kind not in self.allowed if self.allowed else kind in ONLY_WHEN_NAMED:
            self.unwanted.append(update)
            return
        number = next(self._numbers)
        again = update["update_id"] <= self._confirmed
        self._parcels[number] = Parcel(update, lane, again)
        self._lanes.setdefault(lane, deque()).append(number)
        self._end_poll("")
        self._drain(lane)

    def ask_for(self, kinds: object) -> None:
        """Remember which kinds of updates the bot wants, until it says otherwise."""
        if isinstance(kinds, list):
            self.allowed = frozenset(kinds)

    def drop(self) -> None:
        """Forget all that is pending: `drop_pending_updates`."""
        self._parcels.clear()
        self._post.news.tell()

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Send updates there from now on; None keeps them for polling."""
        self.webhook, self.last_error = webhook, None
        if webhook is not None:
            self._end_poll("Conflict: terminated by setWebhook request")
            self._slots = asyncio.Semaphore(webhook.max_connections)
            for lane in list(self._lanes):
                self._drain(lane)

    async def poll(self, offset: int, limit: int, seconds: float) -> list[Body]:
        """Confirm what is below `offset` and return what is left, waiting for it if need be."""
        if self.webhook is not None:
            raise RefusedError(409, WEBHOOK_SET)
        self._confirm(offset)
        if not self._parcels and seconds > 0:
            await self._wait_for_updates(seconds)
        batch = list(self._parcels.items())[: min(max(limit, 1), 100)]
        for number, parcel in batch:
            if parcel.again:
                del self._parcels[number]
        return [parcel.update for _, parcel in batch]

    async def post(self, update: Body | bytes, secret: str | None = None) -> int:
        """Post an update or raw bytes to the webhook now and once; return the HTTP status.

        `secret` replaces the right one; an empty one sends no header at all.
        """
        if self.webhook is None:
            raise LookupError("no webhook is set")
        secret = self.webhook.secret if secret is None else secret
        headers = {"Content-Type": "application/json"}
        if secret:
            headers[SECRET_HEADER] = secret
        data = update if isinstance(update, bytes) else json.dumps(update).encode()
        timeout = ClientTimeout(total=self._post.timeout)
        async with self._post.session.post(
            self.webhook.url, data=data, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            await response.read()
            return response.status

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            numbers = [parcel.update_id for parcel in self._parcels.values()]
            offset = numbers[offset] if len(numbers) >= -offset else 0
        for number, parcel in list(self._parcels.items()):
            if parcel.update_id < offset and not parcel.again:
                self._settle(number, parcel)

    def _settle(self, number: int, parcel: Parcel) -> None:
        self._parcels.pop(number, None)
        self._confirmed = max(self._confirmed, parcel.update_id)
        self._post.news.tell()

    async def _wait_for_updates(self, seconds: float) -> None:
        self._end_poll(TWO_POLLERS)
        poll = self._poll = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                reason = await poll
        except TimeoutError:
            return
        finally:
            if self._poll is poll:
                self._poll = None
        if reason:
            self.conflicts += 1
            raise RefusedError(409, reason)

    def _end_poll(self, reason: str) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(reason)

    def _drain(self, lane: Lane) -> None:
        if self.webhook is not None and lane not in self._draining:
            self._draining.add(lane)
            self._post.tasks.create_task(self._send_lane(lane))

    async def _send_lane(self, lane: Lane) -> None:
        numbers = self._lanes[lane]
        wait = self._post.first_wait
        try:
            while numbers and self.webhook is not None:
                parcel = self._parcels.get(numbers[0])
                if parcel is None:
                    numbers.popleft()
                elif await self._deliver(parcel):
                    self._settle(numbers.popleft(), parcel)
                    wait = self._post.first_wait
                else:
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, self._post.longest_wait)
        finally:
            self._draining.discard(lane)
        if not numbers:
            self._lanes.pop(lane, None)

    async def _deliver(self, parcel: Parcel) -> bool:
        """Say whether the webhook took an update."""
        async with self._slots:
            await self._post.up.wait()
            if self.webhook is None:
                return False
            self.attempts += 1
            try:
                status = await self.post(parcel.update)
            except TimeoutError:
                problem = "Read timeout expired"
            except ClientConnectorError:
                problem = "Connection refused"
            except ClientError:
                problem = "Connection closed"
            else:
                if 200 <= status <= 299:
                    return True
                problem = f"Wrong response from the webhook: {status}"
        self.last_error = (int(time.time()), problem)
        self._post.news.tell()
        return False
