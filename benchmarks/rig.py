"""XiaoQ as a child process, a stub model, and customers who write to it over HTTP."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp

from core.sockets import socket_folder

ROOT = Path(__file__).parent.parent
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Product:
    """A XiaoQ that can be started, killed and measured."""

    state: Path
    model_url: str
    cores: str = ""
    places: int = 256
    """Answers that the model gives at a time."""
    port: int = 0
    halves: bool = False
    """A gateway and a worker, each in a process of its own, on the same cores."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> float:
        """Start it; returns the seconds until it was ready."""
        self.port = self.port or free_port()
        began = time.perf_counter()
        self.processes.clear()
        if not self.halves:
            await self._start_process("all", self.port, {})
        else:
            await self._start_process("worker", free_port(), {})
            redis = socket_folder(self.state / "redis", "redis.sock") / "redis.sock"
            await self._start_process("gateway", self.port, {"XIAOQ_REDIS__URL": f"unix://{redis}"})
        return time.perf_counter() - began

    async def _start_process(self, role: str, port: int, more: dict[str, str]) -> None:
        model = {"url": self.model_url, "model": "stub"}
        endpoints = [model | {"concurrency": self.places, "queue": 10000}]
        settings = {
            "XIAOQ_HTTP__PORT": str(port),
            "XIAOQ_STATE_DIR": str(self.state),
            "XIAOQ_INFERENCE__ENDPOINTS": json.dumps(endpoints if self.model_url else []),
            "XIAOQ_LIMITS__PER_MINUTE": "1000000",
            "XIAOQ_LIMITS__BURST": "1000000",
        }
        # As installed: modules are compiled once, and not at each start.
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        }
        log = (self.state.parent / "xiaoq.log").open("ab")
        command = [sys.executable, "-m", "bots", "run", "--role", role]
        pin = ["taskset", "-c", self.cores] if self.cores else []
        with log:
            process = subprocess.Popen(  # noqa: ASYNC220 - forks and returns
                [*pin, *command],
                cwd=ROOT,
                env=environment | settings | self.extra | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        async with aiohttp.ClientSession() as session:
            while not await _is_ready(session, f"http://127.0.0.1:{port}"):
                if process.poll() is not None:
                    raise SystemExit(
                        f"XiaoQ did not start: {(self.state.parent / 'xiaoq.log').read_text()}"
                    )
                await asyncio.sleep(0.005)

    def kill(self) -> None:
        """`kill -9` of its process group and of its Redis."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def pids(self) -> list[int]:
        """XiaoQ's processes, and last its Redis."""
        found = [process.pid for process in self.processes]
        needle = str(self.state / "redis")
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if b"redis" in (entry / "comm").read_bytes() and needle in os.readlink(
                    entry / "cwd"
                ):
                    found.append(int(entry.name))
        return found

    def cpu_seconds(self) -> list[float]:
        """CPU used so far: by XiaoQ, by its Redis."""
        rows = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in self.pids()]
        used = [sum(int(value) for value in row.split()[11:13]) / TICK for row in rows]
        return [sum(used[:-1]), used[-1]]

    def total_cpu_seconds(self) -> float:
        """CPU used so far by all there is; while it starts, a daemon's parent comes and goes."""
        while self.processes:
            with suppress(FileNotFoundError, ProcessLookupError):
                return sum(self.cpu_seconds())
        return 0.0

    def memory_mb(self) -> list[float]:
        """Resident memory now, by process."""
        rows = [Path(f"/proc/{pid}/statm").read_text().split() for pid in self.pids()]
        return [int(row[1]) * PAGE / 1e6 for row in rows]


@dataclass
class Customer:
    """A browser: a cookie, an open stream of events, messages that are repeated until accepted."""

    session: aiohttp.ClientSession
    base: str
    cookie: str = ""
    retries: int = 0

    async def arrive(self) -> None:
        """Get a cookie."""
        async with self.session.get(f"{self.base}/web/main/hello") as response:
            self.cookie = response.cookies["xiaoq_visitor"].value

    @property
    def headers(self) -> dict[str, str]:
        """What a browser would send."""
        return {"Cookie": f"xiaoq_visitor={self.cookie}"}

    async def send(self, text: str) -> str:
        """Send a message until it is accepted; returns its id."""
        body = {"id": str(uuid4()), "text": text}
        url = f"{self.base}/web/main/messages"
        while True:
            try:
                async with self.session.post(url, json=body, headers=self.headers) as response:
                    if response.status == 202:
                        return body["id"]
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            self.retries += 1
            await asyncio.sleep(random.uniform(0.2, 0.4))

    async def events(self, last: str = "0-0") -> AsyncGenerator[tuple[int, dict], None]:
        """Events with their time in milliseconds; ends with the connection."""
        headers = self.headers | {"Last-Event-ID": last}
        stamp = 0
        async with self.session.get(f"{self.base}/web/main/events", headers=headers) as response:
            async for raw in response.content:
                if raw.startswith(b"id: "):
                    stamp = int(raw[4:].split(b"-")[0])
                elif raw.startswith(b"data: "):
                    yield stamp, json.loads(raw[6:])


@asynccontextmanager
async def stub_model(
    cores: str = "", *, tokens: int = 8, delay_ms: int = 0
) -> AsyncGenerator[str, None]:
    """A model in a process of its own that answers at once, or with a pause before each token."""
    pin = ["taskset", "-c", cores] if cores else []
    options = ["--port", "0", "--tokens", str(tokens), "--delay-ms", str(delay_ms)]
    command = [sys.executable, ROOT / "tests/peers/model.py", *options]
    process = await asyncio.create_subprocess_exec(*pin, *command, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        yield json.loads(await process.stdout.readline())["url"]
    finally:
        process.terminate()
        await process.wait()


def browser_session() -> aiohttp.ClientSession:
    """Connections of many customers."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=2, sock_read=60),
    )


def percentile(values: list[float], share: float) -> float:
    """The value below which this share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _is_ready(session: aiohttp.ClientSession, base: str) -> bool:
    try:
        async with session.get(f"{base}/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
