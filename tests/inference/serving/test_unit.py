"""The unit as a process: how it starts, serves and ends."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from config.engine import EngineSettings
from inference.serving.order import ExitCode, UnitOrder

PROGRAM = Path(__file__).parents[2] / "peers" / "scripted_unit.py"
BODY = {"messages": [{"role": "user", "content": "我的暗号是蓝莓"}], "stream": True}


@dataclass(frozen=True)
class Unit:
    """A running unit and a caller of it."""

    process: Process
    http: aiohttp.ClientSession

    async def until(self, state: str) -> dict[str, object]:
        """Wait until `/health` tells a state."""
        async with asyncio.timeout(20):
            while True:
                with suppress(aiohttp.ClientError):
                    async with self.http.get("http://unit/health") as response:
                        health = await response.json()
                    if health["state"] == state:
                        return health
                await asyncio.sleep(0.02)

    def ask(self, **more: object) -> aiohttp.client._RequestContextManager:
        """Begin a streamed answer."""
        return self.http.post("http://unit/v1/chat/completions", json=BODY | more)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def start(folder: Path, script: dict, **settings: object) -> AsyncIterator[Unit]:
    socket = folder / "unit.sock"
    values = EngineSettings.model_validate(settings)
    order = UnitOrder(name="0", settings=values, socket=socket)
    program = [sys.executable, str(PROGRAM), json.dumps(script)]
    process = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession(connector=connector) as http:
        try:
            process.stdin.write(order.to_line())
            await process.stdin.drain()
            yield Unit(process, http)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def test_a_unit_serves_and_a_signal_lets_open_answers_end(tmp_path):
    script = {"answer": "好" * 60, "step_seconds": 0.01}
    async with start(tmp_path, script) as unit:
        assert (await unit.until("ready"))["progress"] == 1.0
        async with unit.ask() as response:
            await response.content.readline()
            unit.process.send_signal(signal.SIGTERM)
            await unit.until("draining")
            async with unit.ask() as refused:
                assert refused.status == 503
            rest = await response.text()
        assert rest.endswith("data: [DONE]\n\n")
        assert rest.count("好") + 1 >= 60
        assert await unit.ended() == ExitCode.STOPPED


async def test_a_unit_ends_with_its_supervisor_even_while_it_hangs(tmp_path):
    async with start(tmp_path, {"hang": 0}, first_token_seconds=0.2) as unit:
        await unit.until("ready")
        async with unit.ask() as response:
            assert response.status == 503
        unit.process.stdin.close()
        assert await unit.ended() == ExitCode.STOPPED


async def test_a_model_that_cannot_be_loaded_is_told_in_one_line(tmp_path):
    why = "the card has 3.1 GiB free,\n5.2 GiB are needed"
    async with start(tmp_path, {"refuse": why}) as unit:
        assert await unit.ended() == ExitCode.REFUSED
        assert (await unit.process.stdout.read()).decode() == " ".join(why.split()) + "\n"


async def test_a_fault_of_loading_ends_the_process_as_broken_and_is_logged(tmp_path):
    async with start(tmp_path, {"load_fault": "no kernel image"}) as unit:
        assert await unit.ended() == ExitCode.BROKEN
        assert b"no kernel image" in await unit.process.stderr.read()


async def test_a_broken_engine_tells_its_callers_and_ends_the_process(tmp_path):
    async with start(tmp_path, {"fault": 2}) as unit:
        await unit.until("ready")
        async with unit.ask() as response:
            assert "engine_gone" in await response.text()
        assert await unit.ended() == ExitCode.BROKEN
        log = (await unit.process.stderr.read()).decode()
        assert "engine broke" in log
        assert "蓝莓" not in log


async def test_a_hung_engine_tells_its_callers_and_ends_the_process(tmp_path):
    async with start(tmp_path, {"hang": 2}, hang_seconds=0.5) as unit:
        await unit.until("ready")
        async with unit.ask() as response:
            assert "engine_gone" in await response.text()
        assert await unit.ended() == ExitCode.HUNG


async def test_a_signal_while_loading_ends_the_process_at_once(tmp_path):
    async with start(tmp_path, {"load_hang": True}) as unit:
        await unit.until("loading")
        unit.process.send_signal(signal.SIGTERM)
        assert await unit.ended() == ExitCode.STOPPED


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b'{"name": "0", "secret-key": 1}\n'])
async def test_an_order_that_cannot_be_read_is_refused(line):
    program = [sys.executable, str(PROGRAM), "{}"]
    process = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE)
    said, _ = await process.communicate(line)
    assert process.returncode == ExitCode.REFUSED
    assert said.startswith(b"the order cannot be read")
    assert b"secret-key" not in said


async def test_a_place_that_cannot_be_listened_on_is_told_in_one_line(tmp_path):
    async with start(tmp_path / "nowhere", {}) as unit:
        assert await unit.ended() == ExitCode.REFUSED
        said = (await unit.process.stdout.read()).decode()
    assert "unit.sock cannot be listened on (No such file or directory)" in said
