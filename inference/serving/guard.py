"""What every guarded route has in common: the key, and errors in OpenAI's shape."""

import asyncio
import functools
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from inference.jobs.metrics import Metrics
from inference.serving.chunks import event
from inference.serving.errors import ApiError, as_api_error
from inference.serving.keys import Keyhole

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STREAM = web.RequestKey("stream", web.StreamResponse)
"""A request's answer once it has begun."""
TELL_SECONDS = 1.0


class Guard:
    """Wraps handlers: nobody enters without the key, and no error leaves out of shape."""

    def __init__(self, keyhole: Keyhole, metrics: Metrics) -> None:
        self._keyhole = keyhole
        self._metrics = metrics

    def wrap(self, handler: Handler) -> Handler:
        """Guard a handler."""

        @functools.wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            status = "closed by caller"
            try:
                self._keyhole.check(request)
                response = await handler(request)
                status = str(response.status)
            except ConnectionResetError:
                raise
            except Exception as error:  # noqa: BLE001 - the last resort of the door
                told = as_api_error(error) or _unforeseen(error)
                status = str(told.status)
                response = await _tell(request, told)
            finally:
                self._metrics.requests.labels(handler.__name__, status).inc()
            return response

        return guarded


def _unforeseen(error: Exception) -> ApiError:
    # Its text may quote a customer's.
    log.error("request failed", kind=type(error).__name__)
    return ApiError(500, "The server had an error.")


async def _tell(request: web.Request, error: ApiError) -> web.StreamResponse:
    """Answer with an error, or end a stream with one."""
    if STREAM not in request:
        return error.to_response()
    stream = request[STREAM]
    try:
        async with asyncio.timeout(TELL_SECONDS):
            await stream.write(event(error.to_json()))
    except TimeoutError:
        # A caller who does not read would hold up the end of its response, too.
        if request.transport is not None:
            request.transport.abort()
    return stream
