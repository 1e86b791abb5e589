"""`python -m inference.serving.unit`: one placement unit of the model server, one process.

The main thread runs the event loop, a second one the engine; `order` says how a supervisor starts,
stops and outlives it.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import structlog
import uvloop
from pydantic import ValidationError

from config.engine import EngineSettings
from config.logs import configure_logging
from inference.engines.loading import load_engine
from inference.jobs.engine import Engine, EngineBrokenError, LoadRefusedError, Progress
from inference.jobs.loop import EngineHungError, EngineLoop, open_loop
from inference.serving.door import open_door
from inference.serving.order import ExitCode, UnitOrder
from inference.serving.server import ModelServer
from inference.text.tokenizer import ChatTokenizer, TokenizerError, load_tokenizer

log = structlog.get_logger()

SWITCH_SECONDS = 0.0001
"""After so long a thread lets another run that waits. Where the engine computes in Python the event
loop waits so long for each of its callbacks, of which a tick has dozens: with Python's own 5 ms
they would add up to a stutter."""
FAREWELL_SECONDS = 1.0

LoadEngine = Callable[[EngineSettings, Progress], Engine]
LoadTokenizer = Callable[[EngineSettings], ChatTokenizer]


def run_unit(load_engine: LoadEngine, load_tokenizer: LoadTokenizer) -> NoReturn:
    """Read an order from standard input and carry it out; ends the process with an ExitCode."""
    try:
        order = UnitOrder.from_line(sys.stdin.buffer.readline())
    except ValidationError as error:
        _end(_refuse(f"the order cannot be read: {error.error_count()} faults"))
    configure_logging(order.log)
    structlog.contextvars.bind_contextvars(unit=order.name)
    sys.setswitchinterval(SWITCH_SECONDS)
    threading.Thread(target=_end_with_supervisor, name="supervisor", daemon=True).start()
    try:
        _end(uvloop.run(serve(order, load_engine, load_tokenizer)))
    except OSError as error:
        place = order.socket or f"{order.host}:{order.port}"
        _end(_refuse(f"{place} cannot be listened on ({error.strerror or error})"))


async def serve(
    order: UnitOrder, load_engine: LoadEngine, load_tokenizer: LoadTokenizer
) -> ExitCode:
    """Load a model and serve it until SIGTERM or until its engine is gone.

    Raises OSError if it cannot listen where it should.
    """
    settings = order.settings
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_loop(lambda progress: load_engine(settings, progress)) as engine:
        server = ModelServer(engine, settings)
        async with (
            open_door(
                server, key=order.api_key, socket=order.socket, host=order.host, port=order.port
            ) as address,
            asyncio.TaskGroup() as tasks,
        ):
            log.info("unit listens", address=address)
            life = tasks.create_task(_live(server, engine, order, load_tokenizer))
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait([life, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not life.done():
                log.info("unit drains")
                await server.drain()
            life.cancel()
            stopping.cancel()
    return ExitCode.STOPPED if life.cancelled() else life.result()


async def _live(
    server: ModelServer, engine: EngineLoop, order: UnitOrder, load_tokenizer: LoadTokenizer
) -> ExitCode:
    """Load, then watch the engine's heart; returns how it ended."""
    try:
        tokenizer = await asyncio.to_thread(load_tokenizer, order.settings)
        facts = await server.open(tokenizer, order.warm_up)
        spare_the_collector()
        log.info("unit is ready", **asdict(facts))
        await engine.watch(order.settings.hang_seconds)
    except (LoadRefusedError, TokenizerError) as error:
        return _refuse(str(error))
    except EngineHungError as error:
        code = ExitCode.HUNG
        await _farewell(server, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, this process cannot go on
        code = ExitCode.BROKEN
        await _farewell(server, error)
    else:
        return ExitCode.STOPPED
    return code


async def _farewell(server: ModelServer, error: Exception) -> None:
    """Tell those who wait, so that they can go elsewhere."""
    # Before a model is served no text of a customer's can be in what an error says.
    is_ours = isinstance(error, EngineBrokenError | EngineHungError)
    detail = str(error) if is_ours or server.health.state == "loading" else ""
    log.error("engine broke", kind=type(error).__name__, detail=detail)
    await server.fail(error, FAREWELL_SECONDS)


def _refuse(why: str) -> ExitCode:
    sys.stdout.write(" ".join(why.split()) + "\n")
    return ExitCode.REFUSED


def spare_the_collector() -> None:
    """Take the loaded model out of the garbage collector's rounds: they would stop every answer."""
    gc.collect()
    gc.freeze()


def _end_with_supervisor() -> None:
    """End the process when standard input ends, whatever the other threads do."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    _end(ExitCode.STOPPED)


def _end(code: ExitCode) -> NoReturn:
    """End the process at once: a hung engine's thread would hold up an ordinary end for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> NoReturn:
    """Serve the model that the order names."""
    run_unit(load_engine, lambda settings: load_tokenizer(settings.model_dir or Path()))


if __name__ == "__main__":
    main()
