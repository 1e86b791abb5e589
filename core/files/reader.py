"""Reads files in child processes, a few at a time, within limits of time and memory."""

import asyncio
import json
import sys
from asyncio import IncompleteReadError, LimitOverrunError
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass

import structlog

from core.enclosures import DOCUMENT_CHARACTERS
from core.files.kinds import Kind, Reason, UnreadableError

log = structlog.get_logger()

WAITING_PER_PLACE = 4
_LINE_BYTES = 12 * DOCUMENT_CHARACTERS + 1024
"""Longest line of a child: the text as JSON in ASCII, and what stands around it."""
_COMMAND = (sys.executable, "-I", "-B", "-m", "core.files.child")


class BusyError(Exception):
    """More files wait to be read than may; try again in a moment."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says."""

    kind: Kind
    text: str
    is_cut: bool
    """Whether the file says more than can be used."""


class FileReader:
    """Reads strangers' files without being harmed by them."""

    def __init__(self, places: int, seconds: float, memory_bytes: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._most = places * (1 + WAITING_PER_PLACE)
        self._open = 0
        self._seconds = seconds
        self._memory_bytes = memory_bytes

    async def read(self, content: bytes) -> Reading:
        """The text of a file, cut to `DOCUMENT_CHARACTERS`; raises UnreadableError, BusyError."""
        if self._open >= self._most:
            raise BusyError
        self._open += 1
        try:
            async with self._places:
                said = json.loads(await self._ask(content))
        finally:
            self._open -= 1
        if "error" in said:
            log.warning("file not read", why=said["error"], bytes=len(content))
        if "reason" in said:
            raise UnreadableError(Reason(said["reason"]))
        text = str(said["text"])
        kept = text[:DOCUMENT_CHARACTERS]
        return Reading(Kind(said["kind"]), kept, is_cut=len(text) > len(kept))

    async def _ask(self, content: bytes) -> bytes:
        """What the child says; a file that makes it die, hang or babble is too heavy."""
        limits = (str(self._memory_bytes), str(max(1, int(self._seconds))))
        child = await asyncio.create_subprocess_exec(
            *_COMMAND,
            *limits,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},
            cwd="/",
            limit=_LINE_BYTES,
        )
        try:
            async with asyncio.timeout(self._seconds):
                return await _exchange(child, content)
        except (TimeoutError, IncompleteReadError, LimitOverrunError) as error:
            why = type(error).__name__
            log.warning("file not read", why=why, bytes=len(content))
            raise UnreadableError(Reason.TOO_HEAVY) from error
        finally:
            await _end(child)


async def _exchange(child: Process, content: bytes) -> bytes:
    """The line that the child says to a file."""
    assert child.stdin  # noqa: S101 - a pipe
    assert child.stdout  # noqa: S101 - a pipe
    child.stdin.write(content)
    child.stdin.write_eof()
    return await child.stdout.readuntil()


async def _end(child: Process) -> None:
    """Kill it; a pipe that is full and not read to its end would never count as closed."""
    if child.returncode is None:
        child.kill()
        assert child.stdout  # noqa: S101 - a pipe
        while await child.stdout.read(_LINE_BYTES):
            pass
        await child.wait()
