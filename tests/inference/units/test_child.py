"""A unit's process from its start to its end, with programs that are no units at all."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import uvloop
from aiohttp import web

from config.engine import EngineSettings
from inference.serving.order import UnitOrder
from inference.units.child import Child, open_child

SLEEP = ("sleep", "60")
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def order(socket: Path, prompt: str = "") -> UnitOrder:
    settings = EngineSettings(drain_seconds=0)
    return UnitOrder(name="0", settings=settings, socket=socket, warm_up=(prompt,))


def sleepers() -> list[psutil.Process]:
    """What sleeps below this process."""
    below = psutil.Process().children(recursive=True)
    return [each for each in below if runs(each) and each.name() == "sleep"]


async def are_gone() -> None:
    """Wait until nobody sleeps any more: one who was killed needs a moment to die."""
    async with asyncio.timeout(5):
        while sleepers():
            await asyncio.sleep(0.01)


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@asynccontextmanager
async def answering(socket: Path, handler: Callable[[web.Request], object]) -> AsyncIterator[Child]:
    """A child at whose socket somebody answers."""
    app = web.Application()
    app.router.add_get("/metrics", handler)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        async with open_child(SLEEP, order(socket), (), patience=1) as child:
            await web.UnixSite(runner, str(socket)).start()
            yield child
    finally:
        await runner.cleanup()


async def test_one_who_never_reads_his_order_holds_nobody_up(tmp_path):
    big = order(tmp_path / "s", "x" * 4_000_000)
    async with asyncio.timeout(20), open_child(SLEEP, big, (), patience=1) as child:
        assert await child.ended(0.05) is None


async def test_one_who_has_ended_before_his_order_is_told_by_his_exit_code(tmp_path):
    big = order(tmp_path / "s", "x" * 4_000_000)
    async with open_child((sys.executable, "-c", "exit(7)"), big, (), patience=1) as child:
        assert await child.ended(20) == 7


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_start_given_up_at_any_moment_leaves_no_process(tmp_path, new_loop):
    async def start() -> None:
        async with open_child(SLEEP, order(tmp_path / "s"), (), patience=1):
            await asyncio.sleep(60)

    async def give_up_after(turns: int) -> None:
        task = asyncio.create_task(start())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        for turns in range(40):
            runner.run(give_up_after(turns))
            runner.run(are_gone())


async def test_what_a_unit_started_is_killed_with_it(tmp_path):
    """ExLlamaV2 builds its extension with other programs, where it is not prebuilt."""
    script = "import signal, subprocess as s; signal.signal(15, signal.SIG_IGN); "
    program = (sys.executable, "-c", f"{script} s.run(['sleep', '60'])")
    async with open_child(program, order(tmp_path / "s"), (), patience=0), asyncio.timeout(20):
        while not (started := sleepers()):
            await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while any(map(runs, started)):
            await asyncio.sleep(0.02)


async def test_a_killed_unit_leaves_no_socket_behind(tmp_path):
    socket = tmp_path / "s"
    script = f"import socket as s; x = s.socket(s.AF_UNIX); x.bind({str(socket)!r}); input()"
    program = (sys.executable, "-c", f"{script}; input()")
    async with open_child(program, order(socket), (), patience=1), asyncio.timeout(20):
        while not socket.exists():
            await asyncio.sleep(0.02)
    assert not socket.exists()


async def test_numbers_that_come_in_pieces_are_read_to_their_end(tmp_path):
    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in ("one 1\n", "two 2\n", "three 3\n"):
            await response.write(piece.encode())
            await asyncio.sleep(0.05)
        return response

    async with answering(tmp_path / "s", slowly) as child:
        assert await child.numbers() == "one 1\ntwo 2\nthree 3\n"


async def test_numbers_without_an_end_are_none(tmp_path):
    async def for_ever(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with answering(tmp_path / "s", for_ever) as child:
        assert await child.numbers() == ""


async def test_one_who_was_let_go_says_nothing(tmp_path):
    async with open_child(SLEEP, order(tmp_path / "s"), (), patience=1) as child:
        pass
    assert await child.numbers() == ""
    assert await child.health() is None
