"""A real Caddy with the project's file, in front of a port."""

import asyncio
import ssl
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from company import free_port
from images import DOCKER, program

CADDYFILE = DOCKER / "Caddyfile"
SECONDS = 20.0


@asynccontextmanager
async def proxy(folder: Path, port: int) -> AsyncGenerator[str, None]:
    """Its address, in front of a port. Of the file only ports differ, and it trusts itself."""
    tls = free_port()
    ours = f"{{\n\thttp_port {free_port()}\n\thttps_port {tls}\n\tskip_install_trust\n"
    file = folder / "Caddyfile"
    file.write_text(CADDYFILE.read_text(encoding="utf-8").replace("{\n", ours, 1))
    surroundings = {"HOME": str(folder), "XIAOQ_UPSTREAMS": f"127.0.0.1:{port}"}
    words = ("run", "--config", str(file), "--adapter", "caddyfile")
    caddy = await asyncio.create_subprocess_exec(
        program("caddy"), *words, env=surroundings, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(SECONDS):
            while not await _greets(tls):
                assert caddy.returncode is None, "the proxy ended"
                await asyncio.sleep(0.05)
        yield f"https://localhost:{tls}"
    finally:
        caddy.terminate()
        await caddy.wait()


async def _greets(port: int) -> bool:
    """Whether it listens and has its certificate, which it makes after it begins to listen."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection("localhost", port, ssl=anybody)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
