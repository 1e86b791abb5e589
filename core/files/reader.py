"""Reads files in child processes, a few at a time, within limits of time and memory."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass

import structlog

from core.enclosures import DOCUMENT_CHARACTERS
from core.files.kinds import Kind, Reason, UnreadableError

log = structlog.get_logger()

WAITING_PER_PLACE = 4
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
        if "reason" in said:
            raise UnreadableError(Reason(said["reason"]))
        text = str(said["text"])
        kept = text[:DOCUMENT_CHARACTERS]
        return Reading(Kind(said["kind"]), kept, is_cut=len(text) > len(kept))

    async def _ask(self, content: bytes) -> bytes:
        """What the child says; a file that makes it die or hang is too heavy."""
        limits = (str(self._memory_bytes), str(max(1, int(self._seconds))))
        child = await asyncio.create_subprocess_exec(
            *_COMMAND, *limits, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, cwd="/"
        )
        try:
            async with asyncio.timeout(self._seconds):
                said, _ = await child.communicate(content)
        except TimeoutError:
            said = b""
        finally:
            await _end(child)
        if child.returncode or not said:
            log.warning("file not read", status=child.returncode, bytes=len(content))
            raise UnreadableError(Reason.TOO_HEAVY)
        return said


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()
