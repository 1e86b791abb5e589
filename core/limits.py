"""How often somebody may do something: token buckets in Redis, counted over all processes."""

from core.redis import Effect, Store, partition_of, run_effects, take_token


class Limiter:
    """Buckets by name, a hex digest."""

    def __init__(self, store: Store, partitions: int) -> None:
        self._store = store
        self._partitions = partitions

    async def wait_seconds(self, name: str, per_minute: int, burst: int) -> float:
        """Take a token of a bucket: 0, or the time until there is one.

        Raises StoreUnavailableError.
        """
        said = await run_effects(self._store, [self.take(name, per_minute, burst)])
        return int(said[0]) / 1000

    def take(self, name: str, per_minute: int, burst: int) -> Effect:
        """The effect that takes a token; says the milliseconds until there is one."""
        key = partition_of(name, self._partitions).key("bucket", name)
        return take_token(key, per_minute, burst)
