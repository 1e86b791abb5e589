"""`xiaoq model serve` as a process of its own, with real units whose engine is scripted."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest
from command import ROOT, Ended, xiaoq
from company import free_port
from peers import scripted_serve
from peers.model_folder import SMALL, write_half

READY = "Server is ready to accept requests"
SECONDS = 60.0


@dataclass
class Serving:
    """A running server."""

    process: Process
    base: str

    async def until_said(self, words: str) -> None:
        assert self.process.stderr
        async with asyncio.timeout(SECONDS):
            while words not in (line := (await self.process.stderr.readline()).decode()):
                assert line, f"it ended without saying {words}"

    def unit(self) -> psutil.Process:
        """The one process that serves."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    async def ended(self) -> Ended:
        async with asyncio.timeout(SECONDS):
            out, err = await self.process.communicate()
        return Ended(int(self.process.returncode or 0), out.decode(), err.decode())

    async def ask(self, text: str, **headers: str) -> tuple[int, str]:
        body = {"model": "tiny", "messages": [{"role": "user", "content": text}]}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.base}/v1/chat/completions", json=body) as response,
        ):
            answer = await response.json()
            if response.status != 200:
                return response.status, str(answer)
            return 200, answer["choices"][0]["message"]["content"]


@asynccontextmanager
async def serving(
    folder: Path, script: dict[str, object] | None = None, **settings: object
) -> AsyncGenerator[Serving, None]:
    """The program, from its start on."""
    port = free_port()
    model = write_half(folder / "tiny", SMALL)
    given = {"engine": "transformers", "model_dir": str(model), "port": port, **settings}
    arguments = [json.dumps(given), json.dumps(script or {})]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        scripted_serve.__file__,
        *arguments,
        env=environment,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Serving(process, f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_gone(process: psutil.Process) -> None:
    async with asyncio.timeout(SECONDS):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)


async def test_the_model_answers_on_its_port_when_the_server_says_so(tmp_path):
    async with serving(tmp_path, {"answer": "好的"}) as server:
        await server.until_said(READY)
        assert await server.ask("在吗") == (200, "好的")
        server.process.send_signal(signal.SIGTERM)
        ended = await server.ended()
    assert ended.code == 0
    assert ended.out.startswith("tiny: processor, there is no card to use\n")
    assert f"{server.base}/v1   model tiny" in ended.out


async def test_with_a_key_nobody_is_answered_without_it(tmp_path):
    async with serving(tmp_path, {"answer": "好的"}, api_key="a-long-key") as server:
        await server.until_said(READY)
        assert (await server.ask("在吗"))[0] == 401
        assert await server.ask("在吗", Authorization="Bearer a-long-key") == (200, "好的")


async def test_an_answer_that_was_begun_is_finished_at_a_stop(tmp_path):
    script = {"answer": "很" * 20, "step_seconds": 0.05}
    async with serving(tmp_path, script) as server, asyncio.TaskGroup() as group:
        await server.until_said(READY)
        asked = group.create_task(server.ask("在吗"))
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGINT)
        assert (await server.ended()).code == 0
    assert asked.result() == (200, "很" * 20)


async def test_a_kill_of_the_server_leaves_no_unit_behind(tmp_path):
    async with serving(tmp_path) as server:
        await server.until_said(READY)
        unit = server.unit()
        server.process.kill()
        await until_gone(unit)


async def test_a_kill_while_a_unit_loads_leaves_no_unit_behind(tmp_path):
    async with serving(tmp_path, {"load_hang": True}) as server:
        await server.until_said("unit listens")
        unit = server.unit()
        server.process.kill()
        await until_gone(unit)


async def test_a_unit_that_hangs_is_started_again(tmp_path):
    async with serving(tmp_path, {"hang": 3, "answer": "很" * 20}, hang_seconds=1) as server:
        await server.until_said(READY)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(server.ask("在吗"))
            await server.until_said("unit is down")
            await server.until_said("unit takes requests")
            assert asked.done() or await asked
    assert asked.result()[0] != 200


async def test_a_model_that_cannot_be_loaded_ends_the_start_with_its_reason(tmp_path):
    async with serving(tmp_path, {"refuse": "the tokenizer is broken"}) as server:
        ended = await server.ended()
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "the tokenizer is broken"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "XIAOQ_INFERENCE__ENGINE: is not set, should be exllamav2 or transformers"),
        (("--engine", "transformers"), "should have the folder of a model"),
        (("tiny", "--port", "0"), "port: holds 0, should be a whole number from 1 to 65535"),
        (("tiny", "--host", "0.0.0.0"), "only with XIAOQ_INFERENCE__API_KEY"),
    ],
)
async def test_a_wrong_setting_is_said_in_a_line(tmp_path, arguments, complaint):
    env = {name: value for name, value in os.environ.items() if not name.startswith("XIAOQ_")}
    ended = await xiaoq(
        "model", "serve", *arguments, env=env | {"PYTHONPATH": str(ROOT), "PWD": str(tmp_path)}
    )
    assert ended.code == 1
    assert complaint in ended.err
    assert len(ended.err.splitlines()) == 1
