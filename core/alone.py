"""One holder among all replicas: for work that must not be done twice at once, such as polling."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Store
from core.tasks import beside

log = structlog.get_logger()


class HolderLostError(Exception):
    """Another replica may hold it now; stop the work and apply again."""


@asynccontextmanager
async def alone(store: Store, name: str, seconds: float) -> AsyncGenerator[None, None]:
    """Wait for the turn of this replica, and keep it while the body runs.

    A replica that dies is relieved after `seconds`. Raises HolderLostError in the body when it
    could not be kept, or RedisError while Redis is away.
    """
    lock = Lock(
        store,
        _key(name),
        timeout=seconds,
        sleep=seconds / 10,
        thread_local=False,
    )
    await lock.acquire()
    log.info("holding alone", name=name)
    try:
        async with kept(lock, seconds):
            yield
    finally:
        with suppress(LockError, RedisError, OSError):
            await lock.release()


@asynccontextmanager
async def kept(lock: Lock, seconds: float) -> AsyncGenerator[None, None]:
    """Keep a lock that runs out after `seconds` while the body runs; HolderLostError ends it."""
    async with beside(_keep(lock, seconds)):
        yield


async def is_held(store: Store, name: str) -> bool:
    """Whether some replica holds it now; raises StoreUnavailableError."""
    try:
        return bool(await store.exists(_key(name)))
    except UNAVAILABLE as error:
        raise StoreUnavailableError from error


def _key(name: str) -> str:
    return f"xq:alone:{name}"


async def _keep(lock: Lock, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds / 3)
        try:
            await lock.reacquire()
        except (LockError, RedisError, OSError) as error:
            raise HolderLostError from error
