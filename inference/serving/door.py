"""Opens the door of a model server on a unix socket or a port."""

import os
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from inference.serving.guard import Guard
from inference.serving.keys import Keyhole
from inference.serving.routes import Routes
from inference.serving.server import ModelServer

MAX_BODY_BYTES = 4 * 1_048_576
WORKERS = 2
CLOSE_SECONDS = 2.0


@asynccontextmanager
async def open_door(
    server: ModelServer,
    *,
    key: SecretStr | None = None,
    socket: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncGenerator[str, None]:
    """Listen on a socket, or else on a port (0 takes a free one); yields the base address.

    Raises OSError if it cannot. Requests that are open at the end are cut after CLOSE_SECONDS.
    """
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="prepare") as workers:
        app.add_routes(Routes(server, Guard(Keyhole(key), server.metrics), workers).all())
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,  # a caller who hangs up frees the engine
            shutdown_timeout=CLOSE_SECONDS,
        )
        await runner.setup()
        try:
            if socket is not None:
                await web.UnixSite(runner, str(socket)).start()
                os.chmod(socket, 0o600)  # a key may not be asked for
                yield f"unix:{socket}"
            else:
                await web.TCPSite(runner, host, port).start()
                yield f"http://{host}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
