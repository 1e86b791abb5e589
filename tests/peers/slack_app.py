"""A bolt app on a real port, as a client of the fake Slack in its own tests and benchmarks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from peers.slack import SlackPeer
from peers.slack_records import Bot
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient


def connect(peer: SlackPeer, bot: Bot | None = None) -> AsyncWebClient:
    """Return the Web API client of a bot."""
    return AsyncWebClient(token=(bot or peer.bots[0]).token, base_url=peer.base, timeout=5)


def build_app(peer: SlackPeer, bot: Bot | None = None) -> AsyncApp:
    """Return a bolt app of a bot, without listeners."""
    bot = bot or peer.bots[0]
    return AsyncApp(signing_secret=bot.signing_secret, client=connect(peer, bot))


async def error_of(call: Awaitable[object]) -> str:
    """Return the error that a call is refused with; AssertionError if it is not."""
    try:
        await call
    except SlackApiError as refused:
        return str(refused.response["error"])
    raise AssertionError("the call was not refused")


@asynccontextmanager
async def serve_app(app: AsyncApp) -> AsyncIterator[str]:
    """Serve a bolt app's one route; yields its URL."""

    async def route(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    async with serve_route(route) as url:
        yield url


@asynccontextmanager
async def serve_route(
    route: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Serve one route; yields its URL."""
    app = web.Application()
    app.router.add_post("/slack/events", route)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    finally:
        await runner.cleanup()
