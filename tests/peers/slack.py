"""A Slack that behaves like Slack: Web API, events over HTTP and Socket Mode, on real aiohttp.

It refuses what Slack refuses, repeats what is not acknowledged, and keeps what a reader sees. As a
program it prints its address as one line of JSON, serves until it is stopped, and is told what to
do over `/control` (see `peers.slack_control`):

    python tests/peers/slack.py --port 0
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web
from typing_extensions import override

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from peers.slack_clicks import Clicks
from peers.slack_control import add_control
from peers.slack_doors import serve_file, serve_response_url
from peers.slack_web import serve_call


class SlackPeer(Clicks):
    """A running Slack. What it is told stands in the classes it is built on, one noun each."""

    @property
    def base(self) -> str:
        """Address of the Web API for a client's `base_url`."""
        return f"{self.url}/api/"

    @override
    def down(self, status: int | None = None) -> None:
        """Be gone: close every connection, or answer everything with a status."""
        super().down(status)
        self.sockets.drop()


@asynccontextmanager
async def slack_peer(port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[SlackPeer]:
    """Serve a Slack without bots; leaving the context stops it at once."""
    peer = SlackPeer()
    app = web.Application(client_max_size=16 * 1_048_576)
    app.router.add_route("*", "/api/{method}", partial(serve_call, peer))
    app.router.add_get("/socket/{ticket}", peer.sockets.serve)
    app.router.add_post("/response/{id}", partial(serve_response_url, peer))
    app.router.add_get("/files/{id}/{name}", partial(serve_file, peer))
    add_control(app, peer)
    runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        peer.url = f"http://{host}:{runner.addresses[0][1]}"
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as peer.session:
            yield peer
    finally:
        peer.sockets.drop()
        await runner.cleanup()


async def serve(port: int) -> None:
    """Serve until cancelled, with one bot of default fields."""
    async with slack_peer(port) as peer:
        peer.bot()
        sys.stdout.write(json.dumps({"url": peer.url, "base": peer.base}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one")
    args = parser.parse_args()
    try:
        asyncio.run(serve(args.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
