"""The one HTTP door: every channel and page mounts its routes here; errors leave it bounded and
plain.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from config.errors import ConfigError
from config.settings import HttpSettings
from core.errors import StoreUnavailableError, trace
from core.health import Health
from core.metrics import Metrics

log = structlog.get_logger()

SHARED_WITH = web.RequestKey("shared_with", str)
"""The other site whose pages may read the answer to a request, where a route allows one."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@asynccontextmanager
async def open_door(
    settings: HttpSettings,
    routes: Sequence[web.AbstractRouteDef],
    health: Health,
    grace_seconds: float = 5.0,
) -> AsyncGenerator[str, None]:
    """Serve the routes; yields the address. Raises ConfigError when it cannot listen there.

    At the end open requests have `grace_seconds` to finish.
    """
    app = web.Application(
        middlewares=[plain_errors, _closed_while_stopping(health)],
        client_max_size=settings.max_body_bytes,
    )
    app.add_routes(routes)
    app.on_response_prepare.append(_secure)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,  # a caller who hangs up stops the model
        shutdown_timeout=grace_seconds,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"XIAOQ_HTTP__PORT: {settings.host}:{settings.port} cannot be listened on "
                f"({error.strerror}); choose a free port"
            ) from error
        yield f"http://{settings.host}:{settings.port}"
    finally:
        await runner.cleanup()


def watch_routes(
    health: Health, metrics: Metrics, refresh: Callable[[], Awaitable[None]]
) -> list[web.AbstractRouteDef]:
    """`/live`, `/ready` and `/metrics`; `refresh` brings the gauges up to date."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def ready(_: web.Request) -> web.Response:
        is_ready, report = await health.report()
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        text = json.dumps(report, ensure_ascii=False, indent=2)
        return web.json_response(text=text, status=status)

    async def numbers(_: web.Request) -> web.Response:
        await refresh()
        return web.Response(
            body=metrics.render(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    return [web.get("/live", live), web.get("/ready", ready), web.get("/metrics", numbers)]


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every failure its status and one short sentence; details stay in the log."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return error_response(error.status, headers=_kept(error))
    except web.RequestPayloadError:
        return error_response(HTTPStatus.BAD_REQUEST)
    except StoreUnavailableError:
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "2"})
    except (ConnectionResetError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - the last resort of the door
        path = (
            request.match_info.route.resource.canonical
            if request.match_info.route.resource
            else "?"
        )
        log.error("request failed", path=path, error=trace(error))  # noqa: TRY400
        return error_response(HTTPStatus.INTERNAL_SERVER_ERROR)


def _closed_while_stopping(health: Health) -> Middleware:
    @web.middleware
    async def closed_while_stopping(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Take nothing new while open answers are finished; the sender tries again."""
        if health.is_stopping and request.method == "POST":
            return error_response(503, headers={"Retry-After": "2"})
        return await handler(request)

    return closed_while_stopping


def accepted() -> web.Response:
    """What a message, or whatever else is carried out later, is answered with."""
    return web.Response(body=b"{}", status=HTTPStatus.ACCEPTED, content_type="application/json")


def error_response(
    status: int, text: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """An error as JSON: the status' name, and a sentence to show if there is one."""
    body = {"error": HTTPStatus(status).phrase} | ({"text": text} if text else {})
    return web.json_response(body, status=status, headers=headers)


def _kept(error: web.HTTPException) -> dict[str, str]:
    return {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    if origin := request.get(SHARED_WITH):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        response.headers.add("Vary", "Origin")
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
