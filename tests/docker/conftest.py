"""Secrets as docker/secrets.sh makes them, and the Redis of the compose file behind them."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import redis
from company import free_port
from images import COMPOSE, load_yaml, make_secrets
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from core.embedded_redis import find_server


@dataclass(frozen=True, slots=True)
class ComposedRedis:
    """A Redis that runs with the words of the compose file."""

    secrets: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        """The address XiaoQ is given, as it is from this machine."""
        said = (self.secrets / "xiaoq/xiaoq_redis__url").read_text().strip()
        return said.replace("@redis:6379", f"@127.0.0.1:{self.port}")

    @contextmanager
    def running(self) -> Iterator[redis.Redis]:
        """From ready to stopped, as `docker stop` does; its data stays."""
        _, *words = load_yaml(COMPOSE)["services"]["redis"]["command"]
        words = [word.replace("/run/secrets", str(self.secrets)) for word in words]
        here = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.data]
        command = [find_server(), *words, *here]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            client = redis.Redis.from_url(self.url, retry=Retry(ConstantBackoff(0.02), 500))
            try:
                client.ping()
                yield client
            finally:
                client.close()
                server.terminate()


@pytest.fixture
def composed_redis(tmp_path: Path) -> ComposedRedis:
    """One with new secrets and no data."""
    data = tmp_path / "data"
    data.mkdir()
    return ComposedRedis(make_secrets(tmp_path / "secrets"), data, free_port())


@pytest.fixture
def machine(tmp_path: Path, composed_redis: ComposedRedis) -> Iterator[tuple[Path, Path]]:
    """What a container is given: a folder for its state, and its secrets."""
    state = tmp_path / "state"
    state.mkdir()
    (composed_redis.secrets / "xiaoq/xiaoq_redis__url").chmod(0o644)
    (composed_redis.secrets / "xiaoq/xiaoq_redis__url").write_text(composed_redis.url + "\n")
    with composed_redis.running():
        yield state, composed_redis.secrets / "xiaoq"


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(ssl=False)  # the certificate is the proxy's own here
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
        yield session
