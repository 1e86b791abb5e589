"""Redis as XiaoQ uses it: one client for a server or a cluster, partitions, and fenced effects.

Every conversation belongs to one partition, and all keys of a partition carry the same hash tag, so
each step is one atomic script and runs on Redis Cluster as it does on a single server. The reply
shapes are pinned (RESP2, decoded text) because redis-py returns other types with RESP3. Only
features of Redis 6.2 are used.
"""

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from redis.asyncio import ConnectionPool, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    ClusterError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core import wire
from core.errors import StoreUnavailableError
from core.tasks import beside
from core.wire import WiredRedis

Store = WiredRedis | RedisCluster
Effect = tuple[str, ...]
"""A command, key and arguments; happens inside the script that takes a step or not at all.

Lua passes on no more than 8,000 arguments.
"""


def tell(key: str, channel: str, subject: str, limit: int, event: str) -> Effect:
    """The effect that adds an event to a stream and tells it those who listen to a channel.

    They hear "subject id event"; the effect says the id. The stream keeps about `limit` events.
    """
    return ("TELL", key, channel, subject, str(limit), event)


def take_token(key: str, per_minute: int, burst: int) -> Effect:
    """The effect that takes a token from a bucket; says the milliseconds until there is one.

    The bucket holds up to `burst` tokens and gains `per_minute` of them a minute; time is the
    server's.
    """
    return ("TAKE", key, str(per_minute), str(burst))


UNAVAILABLE = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
)
"""What is raised by a server that is gone, loading, full, failing over or out of reach."""

CLUSTER_SCHEME = "redis+cluster://"
BLOCK_MS = 2000
"""Longest a read waits for news; the socket's own deadline lies above it."""

RUN_EFFECTS = """
local function take_token(key, per_minute, burst)
  local per_ms, time = per_minute / 60000, redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local bucket = redis.call('HMGET', key, 'tokens', 'at')
  local tokens, at = tonumber(bucket[1] or burst), tonumber(bucket[2] or now)
  tokens = math.min(burst, tokens + math.max(0, now - at) * per_ms)
  local wait = 0
  if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / per_ms) end
  redis.call('HSET', key, 'tokens', tostring(tokens), 'at', tostring(now))
  redis.call('PEXPIRE', key, math.ceil(burst / per_ms))
  return wait
end
local function run_effects(first_key, first)
  local said, number, at = {}, tonumber(ARGV[first]), first + 1
  for i = 1, number do
    local key, name, last = KEYS[first_key + i - 1], ARGV[at + 1], at + ARGV[at]
    if name == 'TAKE' then
      said[i] = take_token(key, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
    elseif name == 'TELL' then
      local channel, subject, limit, event = unpack(ARGV, at + 2, last)
      said[i] = redis.call('XADD', key, 'MAXLEN', '~', limit, '*', 'event', event)
      redis.call('PUBLISH', channel, subject .. ' ' .. said[i] .. ' ' .. event)
    else
      said[i] = redis.call(name, key, unpack(ARGV, at + 2, last)) or ''
    end
    at = last + 1
  end
  return said, first_key + number, at
end
"""
"""Carries out the effects whose keys and arguments begin at these places; returns what each said,
and where those of the next group begin. A group is their number, then each one's command and
arguments, with the number of these before it: to read JSON would take longer than the effects."""

EFFECTS = "return run_effects(1, 1)"


@dataclass(frozen=True, slots=True)
class Partition:
    """One share of all conversations; its keys have one hash tag."""

    number: int

    def key(self, kind: str, name: str = "") -> str:
        """Name a key of this partition."""
        return f"xq:{{{self.number}}}:{kind}:{name}" if name else f"xq:{{{self.number}}}:{kind}"


def partition_of(conversation: str, count: int) -> Partition:
    """Choose the partition of a conversation key (a hex digest)."""
    return _partition(int(conversation[:8], 16) % count)


@cache
def _partition(number: int) -> Partition:
    return Partition(number)


class Script:
    """A Lua script that may end in effects; loads itself where the server does not know it."""

    def __init__(self, store: Store, source: str) -> None:
        self._store = store
        self._source = RUN_EFFECTS + source
        self._digest = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self, keys: Sequence[str], args: Sequence[str | int], *effects: Sequence[Effect]
    ) -> Any:  # noqa: ANN401 - what a script returns is known to its caller
        """Run it: keys of effects follow `keys`, and each group's arguments follow `args`."""
        named, rest = list(keys), list(args)
        for group in effects:
            rest.append(len(group))
            for name, key, *more in group:
                named.append(key)
                rest += len(more) + 1, name, *more
        given = (len(named), *named, *rest)
        try:
            return await self._store.execute_command("EVALSHA", self._digest, *given)
        except NoScriptError:
            return await self._store.execute_command("EVAL", self._source, *given)


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[Store, None]:
    """Connect to Redis 6.2 or later, or a cluster (`redis+cluster://host:port`).

    Commands fail after at most a few seconds while the server is gone; the caller repeats what may
    be repeated.
    """
    store = _connect(url)
    try:
        if isinstance(store, WiredRedis):
            async with beside(store.wire.run()):
                yield store
        else:
            yield store
    finally:
        await store.aclose()


def _connect(url: str) -> Store:
    options: dict[str, Any] = {
        "decode_responses": True,
        "protocol": 2,
        "socket_timeout": BLOCK_MS / 1000 + 3,
        "socket_connect_timeout": 3,
    }
    if url.startswith(CLUSTER_SCHEME):
        address = "redis://" + url.removeprefix(CLUSTER_SCHEME)
        return RedisCluster.from_url(address, **options)
    return WiredRedis(ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 1), **options))


async def run_effects(store: Store, effects: Sequence[Effect]) -> list[Any]:
    """Carry out effects of one partition together, outside any lease; returns what they said."""
    try:
        said: list[Any] = await Script(store, EFFECTS)([], [], effects)
    except UNAVAILABLE as error:
        raise StoreUnavailableError from error
    return said


async def hear(
    store: Store, channels: Sequence[str], take: Callable[[str], None], opened: Callable[[], None]
) -> None:
    """Give `take` what is published in channels, from when `opened` is called, until cancelled.

    Any node of a cluster will do: they tell each other. Raises RedisError or OSError when the
    connection cannot be had or has ended.
    """
    if isinstance(store, RedisCluster):
        node = (await store.initialize()).get_random_node()
        connection = node.connection_class(**node.connection_kwargs)
    else:
        connection = store.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    await wire.hear(connection, channels, take, opened)


async def ping(store: Store) -> str | None:
    """Say in one word what is wrong with Redis, or None."""
    try:
        await store.ping()
    except (RedisError, OSError) as error:
        return type(error).__name__
    return None
