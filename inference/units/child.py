"""The process of one unit: started, asked how it is, stopped, and never left behind."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryFile
from typing import IO

import aiohttp
from pydantic import ValidationError

from inference.plan.cards import VISIBLE
from inference.plan.placement import Card
from inference.serving.order import UnitHealth, UnitOrder

ANSWER_SECONDS = 2.0
"""Longest wait for what it says of itself."""
LONGEST_REASON = 1000


class Child:
    """A running unit; `open_child` makes it."""

    def __init__(
        self, process: Process, order: UnitOrder, http: aiohttp.ClientSession, said: IO[bytes]
    ) -> None:
        self._process = process
        self._http = http
        self._said = said
        host = f"[{order.host}]" if ":" in order.host else order.host
        self._base = f"http://{'unit' if order.socket else f'{host}:{order.port}'}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def ended(self, seconds: float) -> int | None:
        """Wait for its end; the exit code, or None if it still runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        return None

    async def health(self) -> UnitHealth | None:
        """Ask how it is; None if nothing sensible is said in time."""
        try:
            return UnitHealth.model_validate_json(await self._get("/health", 65_536))
        except ValidationError:
            return None

    async def numbers(self) -> str:
        """Its metrics as text; "" if it does not say them all in time."""
        return (await self._get("/metrics", 4 << 20)).decode(errors="replace")

    async def _get(self, path: str, most: int) -> bytes:
        """All that is said, nothing if that is more than `most` bytes."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        if self._http.closed:
            return b""
        try:
            async with self._http.get(
                f"{self._base}{path}", timeout=timeout, allow_redirects=False
            ) as answer:
                said = bytearray()
                async for piece in answer.content.iter_any():
                    said += piece
                    if len(said) > most:
                        return b""
                return bytes(said)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return b""

    def reason(self) -> str:
        """The last line on its standard output: why it ended REFUSED."""
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - LONGEST_REASON))
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def kill(self) -> None:
        """End it and what it started at once: one that hangs in CUDA hears nothing else."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def stop(self, seconds: float) -> None:
        """Let it finish open answers for so long, then end it."""
        try:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGTERM)
            await self.ended(seconds)
        finally:
            self.kill()
        await self._process.wait()


@asynccontextmanager
async def open_child(
    program: Sequence[str], order: UnitOrder, cards: Sequence[Card], patience: float
) -> AsyncGenerator[Child, None]:
    """Start a unit; leaving the context drains it, and kills it `patience` seconds after the time
    for that. Raises OSError if it cannot start.
    """
    if order.socket:
        order.socket.unlink(missing_ok=True)
    # What it says goes into a file: a pipe that nobody empties would stop it one day.
    with TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *program,
            stdin=PIPE,
            stdout=said,
            env=_environment(os.environ, cards),
            # A session of its own: Ctrl-C reaches XiaoQ alone, which lets the units drain last.
            start_new_session=True,
        )
        async with aiohttp.ClientSession(connector=_connector(order), trust_env=False) as http:
            child = Child(process, order, http, said)
            try:
                _tell(process, order)
                yield child
            finally:
                await child.stop(order.settings.drain_seconds + patience)
                if order.socket:
                    order.socket.unlink(missing_ok=True)


def _connector(order: UnitOrder) -> aiohttp.BaseConnector:
    return aiohttp.UnixConnector(str(order.socket)) if order.socket else aiohttp.TCPConnector()


def _tell(process: Process, order: UnitOrder) -> None:
    """Write the order; standard input then stays open, and its end tells the unit of ours.

    Nobody waits until it is read, which one that hangs never does.
    """
    if process.stdin is not None:
        process.stdin.write(order.to_line())


def _environment(ours: Mapping[str, str], cards: Sequence[Card]) -> dict[str, str]:
    """What a unit inherits: its cards by what stays the same, and none of our settings."""
    kept = {name: value for name, value in ours.items() if not name.startswith("XIAOQ_")}
    visible = ",".join(card.uuid or str(card.number) for card in cards)
    return kept | {VISIBLE: visible, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
