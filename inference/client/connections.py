"""Connections to model servers: one pool for the network, one for each unix socket."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from config.settings import EndpointSettings


class Connections:
    """HTTP sessions by endpoint; `open_connections` makes it."""

    def __init__(
        self, network: aiohttp.ClientSession, sockets: dict[Path, aiohttp.ClientSession]
    ) -> None:
        self._network = network
        self._sockets = sockets

    def to(self, endpoint: EndpointSettings) -> aiohttp.ClientSession:
        """The session that reaches an endpoint."""
        return self._sockets[endpoint.socket] if endpoint.socket else self._network


@asynccontextmanager
async def open_connections(
    endpoints: Sequence[EndpointSettings],
) -> AsyncGenerator[Connections, None]:
    """Open the sessions; places bound the requests, so the pools need not."""
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(_session(aiohttp.TCPConnector(limit=0)))
        sockets = {
            path: await stack.enter_async_context(
                _session(aiohttp.UnixConnector(str(path), limit=0))
            )
            for path in {endpoint.socket for endpoint in endpoints if endpoint.socket}
        }
        yield Connections(network, sockets)


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # Compression would hold tokens back.
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        trust_env=False,
    )
