"""The command `xiaoq` as people run it: a process of its own, in a folder of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from company import free_port

READY = "Server is ready to accept requests"
ROOT = Path(__file__).parent.parent
SECONDS = 60.0
"""Longest time for anything a command does."""


def environment(company: Path, **settings: str) -> dict[str, str]:
    """Variables of a company on disk and a free port; `http__port="1"` sets XIAOQ_HTTP__PORT."""
    ours = {
        "HTTP__PORT": str(free_port()),
        "STATE_DIR": "state",
        "PERSONAS_DIR": "personas",
        "KNOWLEDGE_DIR": "knowledge",
        "WORDS_DIR": "words",
    } | {name.upper(): value for name, value in settings.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XIAOQ_")}
    return (
        kept
        | {"PYTHONPATH": str(ROOT), "PWD": str(company)}
        | {f"XIAOQ_{name}": value for name, value in ours.items()}
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Server:
    """A running `xiaoq run`."""

    process: Process
    base: str
    screen: str = ""
    """What stood there when it was ready."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone, as a supervisor does."""
        self.process.send_signal(number)

    async def until_said(self, words: str) -> None:
        """Wait for a line of its log."""
        assert self.process.stderr
        lines = []
        async with asyncio.timeout(SECONDS):
            while words not in (line := (await self.process.stderr.readline()).decode()):
                lines.append(line)
                assert line, "".join(lines)

    async def ended(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(SECONDS):
            _, err = await self.process.communicate()
        assert b"Traceback" not in err, err.decode()
        return int(self.process.returncode or 0)


async def xiaoq(*arguments: str, env: dict[str, str], stdin: str = "") -> Ended:
    """Run a command to its end."""
    process = await _spawn(*arguments, env=env)
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            _kill(process, Path(env["PWD"]))
    return Ended(int(process.returncode or 0), out.decode(), err.decode())


@asynccontextmanager
async def started(*arguments: str, env: dict[str, str]) -> AsyncIterator[Server]:
    """`xiaoq run` from the moment it is ready; nothing of it is left afterwards."""
    process = await _spawn("run", *arguments, env=env)
    try:
        async with asyncio.timeout(SECONDS):
            server = Server(process, f"http://127.0.0.1:{env['XIAOQ_HTTP__PORT']}")
            await server.until_said(READY)
            assert process.stdout
            server.screen = (await process.stdout.read(100_000)).decode()
        yield server
    finally:
        _kill(process, Path(env["PWD"]))
        await process.wait()


def redis_servers(company: Path) -> list[psutil.Process]:
    """Embedded servers of a company that run now."""
    folder = str(company / "state" / "redis")
    return [each for each in psutil.process_iter() if _runs_in(each, folder)]


def _runs_in(process: psutil.Process, folder: str) -> bool:
    try:
        return bool(process.cwd() == folder)
    except psutil.Error:
        return False


async def _spawn(*arguments: str, env: dict[str, str]) -> Process:
    command = (sys.executable, "-m", "bots", *arguments)
    return await asyncio.create_subprocess_exec(
        *command, env=env, cwd=env["PWD"], stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


def _kill(process: Process, company: Path) -> None:
    """Leave nothing of a broken test; an embedded Redis outlives its parent."""
    if process.returncode is None:
        process.kill()
    for server in redis_servers(company):
        server.kill()
