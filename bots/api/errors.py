"""Errors in OpenAI's shape (platform.openai.com/docs/guides/error-codes).

Before an answer begins an error is a response with its status. Once a stream has begun the status
has left, so the error is the stream's last event; OpenAI's clients raise it from there.
"""

import functools
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from core.errors import StoreUnavailableError, trace

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STREAM = web.RequestKey("stream", web.StreamResponse)
"""A request's answer once it has begun."""
RETRY_SECONDS = 2.0

KINDS = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", None, "There is nothing at this address."),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached; try again later."),
    500: ("server_error", None, "The server had an error."),
    503: ("server_error", "unavailable", "The server cannot answer now; try again later."),
}


class ApiError(Exception):
    """Ends a request with this status; its message holds nothing but the caller's own."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def to_json(self) -> dict[str, Any]:
        """The error as OpenAI writes it."""
        kind, code, usual = KINDS[self.status]
        facts = {"type": kind, "param": self.param, "code": self.code or code}
        return {"error": {"message": self.message or usual, **facts}}


def in_openai_shape(handler: Handler) -> Handler:
    """Turn whatever goes wrong in a handler into an error that OpenAI's clients understand."""

    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionResetError:
            raise
        except Exception as error:  # noqa: BLE001 - the last resort of the API
            return await _tell(request, _as_api_error(error))

    return guarded


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return ApiError(413)
    if isinstance(error, web.RequestPayloadError):
        return ApiError(400, "The body does not match its encoding.")
    if isinstance(error, StoreUnavailableError):
        return ApiError(503, retry_after=RETRY_SECONDS)
    log.error("api request failed", error=trace(error))
    return ApiError(500)


async def _tell(request: web.Request, error: ApiError) -> web.StreamResponse:
    if STREAM in request:
        stream = request[STREAM]
        await stream.write(b"data: " + json.dumps(error.to_json()).encode() + b"\n\n")
        return stream
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return web.json_response(error.to_json(), status=error.status, headers=headers)
