"""A bot of XiaoQ at the Telegram peer without the house around it: nobody works what it accepts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from peers.telegram import TelegramPeer

from bots.telegram.account import TelegramAccount, open_telegram
from config.settings import InboxSettings, TelegramSettings
from core.errors import StoreUnavailableError
from core.feedback import Feedback
from core.inbox import Inbox
from core.lanes import Lease
from core.messages import Message
from core.metrics import Metrics
from core.redis import Store
from core.replies import Done, Origin, Outcome, Reply, ReplyEvent
from core.tasks import beside

TOKEN = "123456:abcdef"
PARTITIONS = 1


def settings_at(peer: TelegramPeer, **more: Any) -> TelegramSettings:
    """The settings of an account at the peer."""
    return TelegramSettings.model_validate({"token": TOKEN, "api_base": peer.url} | more)


@asynccontextmanager
async def open_account(
    store: Store,
    settings: TelegramSettings,
    metrics: Metrics | None = None,
    inbox: InboxSettings = InboxSettings(),  # noqa: B008 - frozen
) -> AsyncIterator[TelegramAccount]:
    """Open an account in front of an inbox in `store`, which may be away."""
    metrics = metrics or Metrics()
    box = Inbox(store, inbox, PARTITIONS)
    with suppress(StoreUnavailableError):
        await box.open()
    feedback = Feedback(store, PARTITIONS, metrics)
    async with open_telegram(
        settings, store=store, inbox=box, feedback=feedback, metrics=metrics
    ) as account:
        yield account


@asynccontextmanager
async def listening(account: TelegramAccount) -> AsyncIterator[None]:
    """Let an account take updates while the body runs."""
    await account.start()
    async with beside(account.listen()):
        yield


async def leases(inbox: Inbox, worker: str = "w1") -> list[Lease]:
    """All lanes that wait, taken by a worker; waits until there is one."""
    takes = (inbox.take(partition, worker, 100) for partition in inbox.partitions)
    async with asyncio.timeout(30):
        entries = [entry for found in await asyncio.gather(*takes) for entry in found]
    begun = [await inbox.begin(entry, worker) for entry in entries]
    return [lease for lease in begun if lease]


async def waiting(store: Store) -> list[Message]:
    """The messages of all lanes, as they were accepted, lane after lane."""
    found = []
    async for key in store.scan_iter("xq:*:lane:*"):
        found += [Message.from_json(raw) for raw in await store.lrange(key, 0, -1)]
    return sorted(found, key=lambda message: message.received_at)


def reply(text: str, outcome: Outcome = Outcome.ANSWERED, origin: Origin = Origin.FAQ) -> Reply:
    """A finished reply."""
    return Reply(text, outcome, origin, "zh", "shop", "v1")


async def only(finished: Reply) -> AsyncGenerator[ReplyEvent, None]:
    """The events of an attempt after a crash."""
    yield Done(finished)
