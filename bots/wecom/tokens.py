"""Access tokens, one for each secret, in Redis: all processes use one and one of them renews it.

Asked again, WeCom gives the same token until it is over; asked with a wrong secret again and again
it blocks the caller's address for an hour. So a token is renewed by whoever holds the lock, only if
it is still the one that failed, and a secret that was refused rests for a while.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable

import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from bots.wecom.errors import AwayError, SecretError, TooManyError
from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Store

log = structlog.get_logger()

SPARE_SECONDS = 300
"""A token is renewed so long before its end."""
LOCK_SECONDS = 20.0
TRUST_SECONDS = 5.0
"""So long a process uses what it read without asking Redis again."""
REST_SECONDS = 60.0
"""A refused secret is not tried again for so long, by any process."""

AWAY_SECONDS = 1.0
"""Where WeCom was away, or gave the token that failed again, those who wait for a token do not ask
one after the other."""

Fetch = Callable[[], Awaitable[tuple[str, float]]]
"""Asks WeCom for a token and its seconds. Raises ApiError."""


class Tokens:
    """The access token of one secret; raises StoreUnavailableError while Redis is away."""

    def __init__(self, store: Store, corp: str, secret: str, fetch: Fetch) -> None:
        self._store = store
        self._fetch = fetch
        name = hashlib.blake2b(f"{corp}\n{secret}".encode(), digest_size=12).hexdigest()
        self._key = f"xq:wecom:{{{name}}}:token"
        self._refused_key = f"xq:wecom:{{{name}}}:refused"
        self._lock_key = f"xq:wecom:{{{name}}}:lock"
        self._renewing = asyncio.Lock()
        self._away_until = 0.0
        self._same_until = 0.0
        """So long nobody asks again: WeCom gave the token that it does not take."""
        self._known: tuple[str, float] | None = None
        """What was read last, and until when this process trusts it without asking Redis."""

    async def current(self) -> str:
        """A token that should be good. Raises ApiError."""
        if self._known and self._known[1] > time.monotonic():
            return self._known[0]
        return await self._cached() or await self.renew("")

    async def renew(self, failed: str) -> str:
        """A token that is another than the one that failed. Raises ApiError."""
        lock = Lock(
            self._store,
            self._lock_key,
            timeout=LOCK_SECONDS,
            blocking_timeout=LOCK_SECONDS,
            sleep=0.05,
            thread_local=False,
        )
        async with self._renewing:
            if self._away_until > time.monotonic():
                raise AwayError("gettoken: away a moment ago")
            try:
                async with lock:
                    cached = await self._cached()
                    is_same = cached == failed and self._same_until <= time.monotonic()
                    return cached if cached and not is_same else await self._ask(failed)
            except LockError:
                raise AwayError("gettoken: took too long") from None
            except UNAVAILABLE as error:
                raise StoreUnavailableError from error

    async def _ask(self, failed: str) -> str:
        """Fetch a token; the lock is held."""
        refused = await self._store.get(self._refused_key)
        if refused:
            raise SecretError("gettoken: refused a moment ago", int(refused))
        try:
            token, seconds = await self._fetch()
        except (AwayError, TooManyError):
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise
        except SecretError as error:
            log.error("secret refused", code=error.code)  # noqa: TRY400
            await self._store.set(self._refused_key, str(error.code), px=int(REST_SECONDS * 1000))
            raise
        if token == failed:
            self._same_until = time.monotonic() + AWAY_SECONDS
        left = max(seconds - SPARE_SECONDS, seconds / 2)
        await self._store.set(self._key, token, px=max(1, int(left * 1000)))
        self._known = (token, time.monotonic() + TRUST_SECONDS)
        return token

    async def _cached(self) -> str:
        try:
            token = str(await self._store.get(self._key) or "")
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        self._known = (token, time.monotonic() + TRUST_SECONDS) if token else None
        return token
