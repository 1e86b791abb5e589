"""A unit that misbehaves to order: what it does in each of its lives stands in a file.

`python wayward_unit.py FOLDER`: FOLDER/UNIT.lives has a word a life, the last for all further ones,
and FOLDER/UNIT.log gets a line a life: its process and its cards; UNIT.order has the last order.
It imports nothing of ours and no library, so that a test can afford many lives.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

REFUSED, BROKEN = 64, 70
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
    """Run as a program."""
    line = sys.stdin.readline()
    order = json.loads(line)
    folder, name = Path(sys.argv[1]), order["name"]
    (folder / f"{name}.order").write_text(line)
    with (folder / f"{name}.log").open("a+") as log:
        log.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}\n")
        log.seek(0)
        life = len(log.readlines()) - 1
    lives = (folder / f"{name}.lives").read_text().splitlines()
    what = lives[min(life, len(lives) - 1)]
    assert what in LIVES, what
    if what == "refuse":
        sys.stdout.write("loading ...\nthe tokenizer is broken\n")
        sys.exit(REFUSED)
    if what == "crash":
        sys.exit(BROKEN)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(_Unit(what).serve(order["socket"]))


class _Unit:
    def __init__(self, what: str) -> None:
        self._what = what
        self._asked = 0

    async def serve(self, socket: str) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        if self._what == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_reader(sys.stdin.fileno(), stop.set)  # only its end can be read
        await asyncio.start_unix_server(self._answer, socket)
        await stop.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            body = self._health()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(f"{head}{body}".encode())

    def _health(self) -> str:
        self._asked += 1
        if self._what == "rave":
            return "all is well"
        if self._asked == 1 or self._what == "load for ever":
            return _told(state="loading", progress=0.5)
        if self._what == "freeze" and self._asked > 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        silent = 99 if self._what == "lie" and self._asked > 2 else 0
        return _told(state="ready", progress=1, silent_seconds=silent)


def _told(**health: Any) -> str:
    return json.dumps(health)


if __name__ == "__main__":
    main()
