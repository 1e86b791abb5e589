"""What goes over the wire of the Bot API: parameters in, answers out; and the news of it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Body = dict[str, Any]

WHOLE_NUMBERS = {
    *("chat_id", "draft_id", "limit", "max_connections"),
    *("message_id", "message_thread_id", "offset", "timeout"),
}
TRUTHS = {"can_stop", "drop_pending_updates", "keep_on_stop", "protect_content", "show_alert"}
STRUCTURES = {
    *("allowed_updates", "commands", "entities", "link_preview_options"),
    *("reply_markup", "reply_parameters", "scope"),
}


class RefusedError(Exception):
    """Telegram refuses a call: an HTTP status, a sentence and sometimes parameters."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.parameters = parameters

    def response(self) -> web.Response:
        """Make the answer that says so."""
        body: Body = {"ok": False, "error_code": self.code, "description": str(self)}
        if self.parameters:
            body["parameters"] = self.parameters
        return web.json_response(body, status=self.code)


def bad_request(reason: str) -> RefusedError:
    """Build the refusal of a call that must not be repeated as it is."""
    return RefusedError(400, f"Bad Request: {reason}")


def too_many(seconds: int) -> RefusedError:
    """Build the refusal of a call that may be repeated after so many seconds."""
    return RefusedError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


async def read_parameters(request: web.Request) -> Body:
    """Read a query, a form, a multipart form or JSON, which may all mean the same."""
    given: Body = dict(request.query)
    if request.content_type == "application/json":
        given |= await _read_json(request)
    elif request.can_read_body:
        given |= await request.post()
    return understand(given)


async def _read_json(request: web.Request) -> Body:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad_request("can't parse JSON object")
    return body


def understand(given: Mapping[str, Any]) -> Body:
    """Turn the strings of a form into numbers, truths and structures."""
    return {name: _value(name, value) for name, value in given.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, web.FileField):
        return value.filename
    if not isinstance(value, str):
        return value
    if name in TRUTHS:
        return value.lower() in {"true", "yes", "1"}
    if name in WHOLE_NUMBERS:
        return int(value) if value.lstrip("-").isdecimal() else value
    if name in STRUCTURES:
        return _structure(name, value)
    return value


def _structure(name: str, value: str) -> Any:
    try:
        return json.loads(value) if value else None
    except ValueError:
        raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from None


@dataclass(slots=True)
class News:
    """Wakes those who wait for something to become true."""

    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Say that something has changed."""
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until a condition is true; `TimeoutError` after so many seconds."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._arrived.wait()


@dataclass(slots=True)
class Call:
    """One call of a method, as it came."""

    number: int
    """From 1, in the order of arrival."""
    at: float
    """Seconds of `time.monotonic`, which all processes of a machine share."""
    bot: str
    """Username of the bot; empty for a token nobody has."""
    method: str
    """As spelt in the documentation; unknown ones as they came."""
    parameters: Body
    status: int | None = None
    """HTTP status of the answer; None while there is none, and when it never came."""
    result: Any = None
    """What was answered to a call that went well."""
