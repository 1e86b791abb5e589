"""How a command runs and is stopped: signals, exit codes, and what is wrong in plain words."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import typer
import uvloop

from config.errors import ConfigError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""What is to be done until the event is set."""


def run_until_stopped(work: Work) -> None:
    """Run on the fast loop; SIGINT or SIGTERM asks to stop, a second one cancels.

    A wrong configuration ends in its own words and exit code 1.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_with_signals(work))
        except ConfigError as error:
            raise failed(error) from None
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise typer.Exit(INTERRUPTED) from None


def failed(error: Exception | str) -> typer.Exit:
    """Say what is wrong; the exit that is to be raised."""
    typer.echo(str(error), err=True)
    return typer.Exit(1)


async def _with_signals(work: Work) -> None:
    stop = asyncio.Event()
    running = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def ask_to_stop() -> None:
        if stop.is_set() and running:
            running.cancel()  # asked twice: do not wait for open answers
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    await work(stop)
