"""A unit that misbehaves to order: what it does in each of its lives stands in a file.

`python wayward_unit.py FOLDER`: FOLDER/UNIT.lives has a word a life, the last for all further ones,
and FOLDER/UNIT.log gets a line a life: its process and its cards.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from inference.serving.order import ExitCode, UnitHealth, UnitOrder

LIVES = {
    "good": "loads, is ready, drains when asked to",
    "stubborn": "does not drain",
    "refuse": "says why it cannot be, and ends",
    "crash": "ends at once as if its engine broke",
    "killed": "dies as by the kernel's hand",
    "load for ever": "never becomes ready",
    "freeze": "is ready, then answers nothing any more",
    "lie": "says it is ready while its engine shows no life",
    "rave": "answers 200 and nonsense",
}


def main() -> None:
    order = UnitOrder.from_line(sys.stdin.buffer.readline())
    folder = Path(sys.argv[1])
    with (folder / f"{order.name}.log").open("a+") as log:
        log.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}\n")
        log.seek(0)
        life = len(log.readlines()) - 1
    lives = (folder / f"{order.name}.lives").read_text().splitlines()
    what = lives[min(life, len(lives) - 1)]
    assert what in LIVES, what
    if what == "refuse":
        sys.stdout.write("loading ...\nthe tokenizer is broken\n")
        sys.exit(ExitCode.REFUSED)
    if what == "crash":
        sys.exit(ExitCode.BROKEN)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(_serve(order, what))


async def _serve(order: UnitOrder, what: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # only its end can be read
    asked = 0

    async def health(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if what == "rave":
            return web.Response(text="all is well")
        if asked == 1 or what == "load for ever":
            return _answer(UnitHealth(state="loading", progress=0.5))
        if what == "freeze" and asked > 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        return _answer(UnitHealth(state="ready", progress=1, silent_seconds=99 * (what == "lie")))

    app = web.Application()
    app.router.add_get("/health", health)
    runner = web.AppRunner(app)
    await runner.setup()
    if order.socket:
        await web.UnixSite(runner, str(order.socket)).start()
    else:
        await web.TCPSite(runner, order.host, order.port).start()
    await stop.wait()
    await runner.cleanup()


def _answer(health: UnitHealth) -> web.Response:
    status = 200 if health.state == "ready" else 503
    return web.json_response(text=health.model_dump_json(), status=status)


if __name__ == "__main__":
    main()
