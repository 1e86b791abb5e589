"""Errors of the model server's door, in OpenAI's shape.

Before an answer begins an error is a response with its status. Once a stream has begun the status
has left, so the error is the stream's last event; OpenAI's clients raise it from there.
"""

import math

from aiohttp import web

from inference.jobs.admission import QueueFullError
from inference.jobs.engine import EngineBrokenError, JobRefusedError
from inference.jobs.job import EndReason
from inference.jobs.loop import EngineHungError
from inference.jobs.scheduler import ClosedError, Stage, TooSlowError

RETRY_SECONDS = 1.0

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    500: "server_error",
    503: "server_error",
}
_PLAIN: dict[type[Exception], tuple[int, str | None, str, float | None]] = {
    QueueFullError: (503, "queue_full", "The queue is full; try again later.", RETRY_SECONDS),
    ClosedError: (503, "stopping", "The server stops; try again later.", RETRY_SECONDS),
    EngineBrokenError: (503, "engine_gone", "The engine has failed and is started again.", None),
    EngineHungError: (503, "engine_gone", "The engine has failed and is started again.", None),
    web.HTTPRequestEntityTooLarge: (413, None, "The request is too large.", None),
    web.RequestPayloadError: (400, None, "The body does not match its encoding.", None),
}


class ApiError(Exception):
    """Ends a request with this status; its message holds nothing but the caller's own."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_seconds = retry_seconds

    def to_json(self) -> dict[str, object]:
        """Write the error as OpenAI does (platform.openai.com/docs/guides/error-codes)."""
        facts = {"type": _KINDS[self.status], "param": self.param, "code": self.code}
        return {"error": {"message": self.message, **facts}}

    def to_response(self) -> web.Response:
        """Write the error as a response of its own."""
        headers = {}
        if self.retry_seconds is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_seconds)))
        return web.json_response(self.to_json(), status=self.status, headers=headers)


class JobFailedError(Exception):
    """The engine ended a job without an answer."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(reason)
        self.reason = reason


def as_api_error(error: Exception) -> ApiError | None:
    """Say to a caller what went wrong; None for what nobody foresaw."""
    match error:
        case ApiError():
            return error
        case JobRefusedError():
            return ApiError(400, str(error), code="context_length_exceeded", param="messages")
        case TooSlowError():
            return _too_slow(error.stage)
        case JobFailedError():
            return _failed(error.reason)
    for kind, (status, code, text, retry_seconds) in _PLAIN.items():
        if isinstance(error, kind):
            return ApiError(status, text, code=code, retry_seconds=retry_seconds)
    return None


def _too_slow(stage: Stage) -> ApiError:
    if stage == "queued":
        text = "No place became free in time."
        return ApiError(503, text, code="queue_timeout", retry_seconds=RETRY_SECONDS)
    what = "first token did not come" if stage == "reading" else "answer did not end"
    return ApiError(503, f"The {what} in time.", code="timeout")


def _failed(reason: EndReason) -> ApiError:
    if reason == "out_of_memory":
        return ApiError(503, "The card's memory did not suffice.", code="out_of_memory")
    return ApiError(500, "The answer failed.", code="job_failed")
