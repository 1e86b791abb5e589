"""Fixtures on real parts: a Redis server for the session, an empty database for each test."""

import os
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from core.embedded_redis import find_server
from core.redis import Store, open_store

# A machine that is busy with other things makes no example wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Single files run plainly; folders in more processes than processors: many tests wait."""
    named = [Path(name.partition("::")[0]) for name in config.option.file_or_dir]
    if named and not any(path.is_dir() for path in named):
        return 0
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """A Redis server of our own on a unix socket."""
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "r.sock"
    server = subprocess.Popen(
        [find_server(), "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket))
    try:
        _wait_for(client)
        yield f"unix://{socket}"
    finally:
        client.close()
        server.terminate()
        server.wait(10)


@pytest.fixture
async def store(redis_url: str) -> AsyncGenerator[Store, None]:
    """A client of an empty Redis."""
    async with open_store(redis_url) as client:
        await client.flushall()
        yield client


def _wait_for(client: redis.Redis) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
