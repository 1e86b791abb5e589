"""Partitions and effects; the same inbox on a real Redis Cluster."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from company import free_port
from redis.asyncio import Redis

from config.settings import InboxSettings
from core.embedded_redis import find_server
from core.inbox import Inbox
from core.lanes import Receipt
from core.limits import Limiter
from core.memory import Exchange, Memory, MemorySettings
from core.messages import Address, Message
from core.redis import Store, hear, open_store, partition_of, run_effects, tell
from core.tasks import beside


def test_a_conversation_always_has_the_same_partition():
    keys = [Address("web", "main", str(n), str(n)).key for n in range(2000)]
    numbers = [partition_of(key, 8).number for key in keys]
    assert numbers == [partition_of(key, 8).number for key in keys]
    assert all(150 < numbers.count(number) < 350 for number in range(8))


def test_two_addresses_never_share_a_key():
    addresses = [
        Address("web", "a", "b", "c"),
        Address("web", "a", "bc", ""),
        Address("web", "ab", "", "c"),
        Address("web", "a", "b", "", "c"),
        Address("weba", "", "b", "c"),
    ]
    assert len({address.key for address in addresses}) == len(addresses)


async def test_effects_outside_a_lease_happen_together(store):
    await run_effects(store, [("SET", "{0}a", "1"), ("RPUSH", "{0}b", "x", "y")])
    assert await store.get("{0}a") == "1"
    assert await store.lrange("{0}b", 0, -1) == ["x", "y"]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[Store, None]:
    """A cluster of one node, which refuses keys of several slots as any cluster does."""
    # The cluster's own bus listens 10,000 ports higher.
    port = next(port for port in iter(free_port, None) if port < 22_000)
    server = subprocess.Popen(
        [
            find_server(),
            "--port",
            str(port),
            "--cluster-enabled",
            "yes",
            "--dir",
            tmp_path,
            "--save",
            "",
            "--bind",
            "127.0.0.1",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60), Redis(port=port, protocol=2) as node:
            while True:
                try:
                    await node.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
                    break
                except Exception:  # not listening yet
                    await asyncio.sleep(0.02)
            while b"cluster_state:ok" not in await node.execute_command("CLUSTER", "INFO"):
                await asyncio.sleep(0.02)
        async with open_store(f"redis+cluster://127.0.0.1:{port}") as store:
            yield store
    finally:
        server.terminate()
        server.wait(10)


async def test_everything_runs_on_redis_cluster(cluster):
    inbox = Inbox(cluster, InboxSettings(), partitions=4)
    await inbox.open()
    address = Address("web", "main", "ann", "ann")
    memory = Memory(cluster, MemorySettings(), 4)
    partition = inbox.partition(address.key)
    key = partition.key("page", address.key)
    effects = [("XADD", key, "*", "event", "x"), ("PUBLISH", partition.key("news"), "ann")]
    assert await inbox.accept(Message("1", address, "hello", 0.0), effects) is Receipt.ACCEPTED
    assert await inbox.accept(Message("1", address, "hello", 0.0)) is Receipt.DUPLICATE
    (entry,) = await inbox.take(partition, "w", 10)
    lease = await inbox.begin(entry, "w")
    assert await inbox.renew([lease], "w") == []
    await inbox.commit(lease, {"sent": 1})
    exchange = Exchange("q", "a", 0.0, "zh", "v", 5)
    await inbox.finish(lease, 1, memory.remember(address, exchange, 24))
    assert (await memory.load(address.key)).exchanges == (exchange,)
    await run_effects(cluster, memory.forget(address))
    assert await Limiter(cluster, 4).wait_seconds(address.key, 60, 1) == 0
    assert await inbox.depth() == (0, 0.0)
    said, opened = asyncio.Queue(), asyncio.Event()
    async with beside(hear(cluster, [partition.key("news")], said.put_nowait, opened.set)):
        await opened.wait()
        await run_effects(cluster, [tell(key, partition.key("news"), "ann", 10, "good")])
        async with asyncio.timeout(30):
            assert (await said.get()).endswith(" good")
