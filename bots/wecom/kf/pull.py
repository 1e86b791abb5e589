"""Fetches what came in at kf accounts: a callback is only a bell, what was said is pulled.

A bell is written down before it is acknowledged. One process at a time pulls an account; bells that
ring meanwhile are answered by its next round. The cursor moves when all items of a page are
accepted, so a crash only has the page read again, and every item is accepted once.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from bots.adapter import ChannelDownError
from bots.wecom.api import WeComApi
from bots.wecom.errors import ONE_KF_ACCOUNT, AwayError, RefusedError, SecretError, TooManyError
from bots.wecom.kf.bells import Bell, Bells
from bots.wecom.kf.intake import FullError, Intake
from core.alone import HolderLostError, kept
from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Store
from core.tasks import honour_cancellation

log = structlog.get_logger()

LOCK_SECONDS = 10.0
"""A process that dies while it pulls is relieved after this."""
LOOK_SECONDS = 300.0
"""An account is looked at so often without a bell, which WeCom rings three times at most."""
SPACING_SECONDS = 0.02
"""From one pull of an account to the next: the first bell is answered at once, those that ring soon
after it together. A pull for each would cost more than what it brings."""
BUSY_SECONDS = 3.0
"""Where another process pulls; it answers our bell, or dies."""
RETRY_SECONDS = 2.0
AWAY_SECONDS = 15.0
"""After so long without a pull that succeeds the channel counts as fallen."""
FIRST_REFUSED_SECONDS = 1.0
REFUSED_SECONDS = 60.0
OLD_SECONDS = 300.0
"""What was said longer before the very first pull is not answered: it brings three days."""
PAGE = 1000
LISTED = 100
MOST_EMPTY_PAGES = 100
STALE_TOKEN = 95007
VOICE_AMR = 0


@dataclass(frozen=True, slots=True)
class Rest:
    """After how many seconds an account is pulled again."""

    unrung: float
    """Without a bell, from the end of the last pull."""
    rung: float
    """With a bell, from the beginning of the last pull."""

    @classmethod
    def whole(cls, seconds: float) -> "Rest":
        """Whether a bell rings or not."""
        return cls(seconds, seconds)


class Puller:
    """Pulls the kf accounts of one corp while it runs."""

    def __init__(
        self,
        api: WeComApi,
        store: Store,
        bells: Bells,
        intake: Intake,
        only: Sequence[str] = (),
    ) -> None:
        self._api = api
        self._store = store
        self._bells = bells
        self._intake = intake
        self._only = frozenset(only)
        self._rung: dict[str, asyncio.Event] = {}
        self._unattended: asyncio.Queue[str] = asyncio.Queue()
        self._away_since = 0.0
        self._refused: dict[str, float] = {}
        """Accounts whose last pull was refused, and how long the next refusal keeps a bell."""

    async def ring(self, open_kfid: str, token: str) -> None:
        """Write a bell down and wake who answers it; raises StoreUnavailableError."""
        if self._only and open_kfid not in self._only:
            return
        self._wake(open_kfid)
        await self._bells.ring(open_kfid, token)

    async def run(self) -> None:
        """Catch up, then pull whenever a bell rings, until cancelled. Raises ChannelDownError."""
        self._rung, self._unattended = {}, asyncio.Queue()
        for open_kfid in await self._known():
            self._wake(open_kfid)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    group.create_task(self._attend(await self._unattended.get()))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def accounts(self) -> list[str]:
        """The kf accounts that are answered here; raises ApiError."""
        found: list[str] = []
        while True:
            page = (await self._listed(len(found))).get("account_list") or []
            names = [str(account.get("open_kfid", "")) for account in page]
            new = [name for name in names if name and name not in found]
            found += new
            if len(page) < LISTED or not new:
                return [name for name in found if not self._only or name in self._only]

    async def _known(self) -> set[str]:
        """The accounts to catch up with; where they cannot be listed, those that were heard of."""
        heard_of = {*self._only, *await self._bells.known()}
        try:
            return {*heard_of, *await self.accounts()}
        except (AwayError, TooManyError, RefusedError) as error:
            log.warning("kf accounts not listed", error=str(error))
            return heard_of

    async def _listed(self, offset: int) -> dict[str, Any]:
        """A page of accounts; by POST as the vendor says now, or by GET as it said before."""
        try:
            return await self._api.call("kf/account/list", {"offset": offset, "limit": LISTED})
        except (AwayError, RefusedError):
            params = {"offset": str(offset), "limit": str(LISTED)}
            return await self._api.call("kf/account/list", params=params)

    def _wake(self, open_kfid: str) -> None:
        if open_kfid not in self._rung:
            self._rung[open_kfid] = asyncio.Event()
            self._unattended.put_nowait(open_kfid)
        self._rung[open_kfid].set()

    async def _attend(self, open_kfid: str) -> None:
        """Pull one account at each bell, and now and then."""
        rung = self._rung[open_kfid]
        while True:
            honour_cancellation()
            rung.clear()
            began = time.monotonic()
            rest = await self._try(open_kfid)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest.unrung):
                    await rung.wait()
            await asyncio.sleep(max(0.0, began + rest.rung - time.monotonic()))

    async def _try(self, open_kfid: str) -> Rest:
        """Answer the account's bell, and say when to look again."""
        try:
            rest = await self._pull(open_kfid)
        except TooManyError as error:
            return Rest.whole(error.seconds)
        except AwayError as error:
            return Rest.whole(self._note_away(error))
        except (SecretError, RefusedError) as error:
            if isinstance(error, SecretError) and error.code not in ONE_KF_ACCOUNT:
                raise ChannelDownError(str(error)) from None
            log.error("kf account cannot be pulled", account=open_kfid, code=error.code)  # noqa: TRY400
            return self._rest_refused(open_kfid)
        except (FullError, HolderLostError, StoreUnavailableError, *UNAVAILABLE) as error:
            log.warning("pull interrupted", account=open_kfid, error=type(error).__name__)
            return Rest.whole(RETRY_SECONDS)
        self._away_since = 0.0
        self._refused.pop(open_kfid, None)
        return rest

    def _rest_refused(self, open_kfid: str) -> Rest:
        """Some refusals pass: with a bell an account is tried again, each time later."""
        rest = self._refused.get(open_kfid, FIRST_REFUSED_SECONDS)
        self._refused[open_kfid] = min(2 * rest, REFUSED_SECONDS)
        return Rest(unrung=REFUSED_SECONDS, rung=rest)

    def _note_away(self, error: AwayError) -> float:
        """The seconds after which to try again; ChannelDownError once it has been away for long."""
        now = time.monotonic()
        self._away_since = self._away_since or now
        if now - self._away_since > AWAY_SECONDS:
            self._away_since = 0.0
            raise ChannelDownError(f"wecom is away ({error})") from None
        log.warning("pull interrupted", error=str(error))
        return RETRY_SECONDS

    async def _pull(self, open_kfid: str) -> Rest:
        lock = Lock(
            self._store,
            f"{self._bells.name(open_kfid)}:pull",
            timeout=LOCK_SECONDS,
            blocking=False,
            thread_local=False,
        )
        is_ours, bell = await asyncio.gather(lock.acquire(), self._bells.look(open_kfid))
        if not is_ours:
            return Rest.whole(BUSY_SECONDS)
        try:
            async with kept(lock, LOCK_SECONDS):
                await self._read_pages(open_kfid, bell)
            is_answered = await self._bells.answered(open_kfid, bell)
            return Rest(LOOK_SECONDS if is_answered else SPACING_SECONDS, SPACING_SECONDS)
        finally:
            await _release(lock)

    async def _read_pages(self, open_kfid: str, bell: Bell) -> None:
        cursor = bell.cursor
        since = bell.since if cursor else time.time() - OLD_SECONDS
        empty = 0
        while empty < MOST_EMPTY_PAGES:
            honour_cancellation()
            page = await self._page(open_kfid, cursor, bell.token)
            items = page.get("msg_list") or []
            await self._intake.take(items, open_kfid, since)
            before, cursor = cursor, str(page.get("next_cursor") or cursor)
            is_last = page.get("has_more") != 1
            await self._bells.move_cursor(open_kfid, cursor, 0.0 if is_last else since)
            if is_last:
                return
            empty = 0 if items and cursor != before else empty + 1
        raise AwayError("kf/sync_msg: more is promised than comes")

    async def _page(self, open_kfid: str, cursor: str, token: str) -> dict[str, Any]:
        body = {
            "cursor": cursor,
            "token": token,
            "limit": PAGE,
            "voice_format": VOICE_AMR,
            "open_kfid": open_kfid,
        }
        try:
            return await self._api.call("kf/sync_msg", body)
        except RefusedError as error:
            if error.code != STALE_TOKEN or not token:
                raise
        return await self._api.call("kf/sync_msg", body | {"token": ""})


async def _release(lock: Lock) -> None:
    try:
        await lock.release()
    except (LockError, *UNAVAILABLE, OSError) as error:
        log.info("pull not released", error=type(error).__name__)
