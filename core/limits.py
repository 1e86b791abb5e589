"""Token buckets in Redis: how often somebody may do something, counted over all processes.

The bucket holds up to `burst` tokens and gains `per_minute` of them a minute; time is the server's.
"""

from core.errors import StoreUnavailableError
from core.redis import UNAVAILABLE, Partition, Script, Store, partition_of


class Limiter:
    """Buckets by name."""

    def __init__(self, store: Store, partitions: int) -> None:
        self._take = Script(store, TAKE)
        self._partitions = partitions

    async def wait_seconds(self, name: str, per_minute: int, burst: int) -> float:
        """Take a token of the bucket named by a hex digest: 0, or the time until there is one.

        Raises StoreUnavailableError.
        """
        partition: Partition = partition_of(name, self._partitions)
        try:
            milliseconds = await self._take([partition.key("bucket", name)], [per_minute, burst])
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        return int(milliseconds) / 1000


TAKE = """
local per_ms, burst = tonumber(ARGV[1]) / 60000, tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1] or burst)
local at = tonumber(bucket[2] or now)
tokens = math.min(burst, tokens + math.max(0, now - at) * per_ms)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / per_ms) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_ms))
return wait
"""
