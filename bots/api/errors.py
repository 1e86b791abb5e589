"""Errors in OpenAI's shape (platform.openai.com/docs/guides/error-codes)."""

import functools
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from core.errors import StoreUnavailableError, trace

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KINDS = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error."),
    503: ("server_error", "unavailable", "The server cannot answer now."),
}


class ApiError(Exception):
    """Ends a request with this status; its message holds nothing but the caller's own."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.param = param
        self.retry_after = retry_after


def in_openai_shape(handler: Handler) -> Handler:
    """Turn whatever goes wrong in a handler into an error that OpenAI's clients understand."""

    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return _response(error)
        except web.HTTPRequestEntityTooLarge:
            return _response(ApiError(413))
        except StoreUnavailableError:
            return _response(ApiError(503, retry_after=2))
        except ConnectionResetError:
            raise
        except Exception as error:  # noqa: BLE001 - the last resort of the API
            log.error("api request failed", error=trace(error))  # noqa: TRY400
            return _response(ApiError(500))

    return guarded


def _response(error: ApiError) -> web.Response:
    kind, code, usual = KINDS[error.status]
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return web.json_response(
        {
            "error": {
                "message": error.message or usual,
                "type": kind,
                "param": error.param,
                "code": code,
            }
        },
        status=error.status,
        headers=headers,
    )
