"""The calls we make to Slack: errors translated, and its patience respected.

SlackError
    RefusedError     Slack said no and why (`code`); to repeat it changes nothing
    LimitedError     too many calls of that method there; `seconds` until it may be called again
    UnsureError      it may have happened or not: no answer came
    AwayError        Slack cannot be reached; nothing happened

Slack limits each method by itself, and messages by channel, so a refused call holds up the same
method in the same channel and nothing else (https://docs.slack.dev/apis/web-api/rate-limits).
slack_sdk's own retries are off: they would post a message twice whose answer was lost.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

CALL_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 60.0
"""Longest a call waits in all for Slack to take it."""
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.25
KEPT_PAUSES = 1_000
_READ = ("users.info", "conversations.replies", "conversations.history")
"""Methods that take no JSON."""
_REPEATABLE = {
    *_READ,
    "auth.test",
    "apps.connections.open",
    "chat.update",
    "views.publish",
    "assistant.threads.setStatus",
    "assistant.threads.setTitle",
    "assistant.threads.setSuggestedPrompts",
}
_UNCLEAR = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
Pause = Callable[[float], Awaitable[None]]
NOTHING: Mapping[str, object] = MappingProxyType({})
_LIMITED = {"ratelimited", "rate_limited"}
TOKEN_REFUSALS = {
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_authed",
    "not_allowed_token_type",
    "missing_scope",
    "no_permission",
    "org_login_required",
    "forbidden_team",
}
"""An administrator has to act; it concerns the whole account."""
FILES = "files.slack.com"
HOOKS = "hooks.slack.com"


class SlackError(Exception):
    """A call that did not succeed."""


class RefusedError(SlackError):
    """Slack said no; `code` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class LimitedError(SlackError):
    """Call again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("ratelimited")
        self.seconds = seconds


class UnsureError(SlackError):
    """Nobody knows whether it happened; look before it is repeated."""


class AwayError(SlackError):
    """Slack cannot be reached; nothing happened."""


def silent_logger() -> logging.Logger:
    """A logger for slack_sdk and slack-bolt that says nothing.

    At DEBUG and INFO they log bodies of requests, and in errors addresses with tickets in them;
    what goes wrong reaches us as errors anyway.
    """
    logger = logging.Logger("slack", logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


def web_client(token: str, base: str, session: aiohttp.ClientSession) -> AsyncWebClient:
    """slack_sdk's client on our session, without retries and without its own look at proxies."""
    client = AsyncWebClient(
        token=token, base_url=base, session=session, logger=silent_logger(), retry_handlers=[]
    )
    client.proxy = None  # it ignores NO_PROXY; our session has the proxy already
    return client


class Api:
    """One bot's calls."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._again_at: dict[tuple[str, str], float] = {}

    async def call(
        self,
        method: str,
        args: Mapping[str, object] = NOTHING,
        *,
        patient: bool = True,
        pause: Pause = asyncio.sleep,
    ) -> dict[str, Any]:
        """Call a method of the Web API and return its answer; arguments that are None are left out.

        A patient call waits and repeats within bounds, as far as that cannot make things happen
        twice; the other kind tries once. `pause` is how it waits. Raises SlackError.
        """
        answer, _ = await self.ask(method, args, patient=patient, pause=pause)
        return answer

    async def ask(
        self,
        method: str,
        args: Mapping[str, object] = NOTHING,
        *,
        patient: bool = True,
        pause: Pause = asyncio.sleep,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The same with the answer's headers."""
        place = (method, str(args.get("channel", "")))
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        next_wait = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            is_last = not patient or attempt == ATTEMPTS
            try:
                return await self._once(place, args)
            except LimitedError as error:
                wait = error.seconds
                if is_last or time.monotonic() + wait > deadline:
                    raise
            except (AwayError, UnsureError) as error:
                safe = isinstance(error, AwayError) or method in _REPEATABLE
                if is_last or not safe:
                    raise
                wait, next_wait = next_wait, 2 * next_wait
            await pause(wait)
        raise AssertionError

    async def _once(
        self, place: tuple[str, str], args: Mapping[str, object]
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        wait = self._again_at.get(place, 0.0) - time.monotonic()
        if wait > 0:
            raise LimitedError(wait)
        method = place[0]
        given = {name: value for name, value in args.items() if value is not None}
        try:
            async with asyncio.timeout(CALL_SECONDS):
                if method in _READ:
                    reply = await self._client.api_call(method, http_verb="GET", params=given)
                else:
                    reply = await self._client.api_call(method, json=given)
        except SlackApiError as error:
            raise self._translated(error, place) from error
        except aiohttp.ClientConnectorError as error:
            raise AwayError(type(error).__name__) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnsureError(type(error).__name__) from error
        data = reply.data
        return data if isinstance(data, dict) else {}, reply.headers

    def _translated(self, error: SlackApiError, place: tuple[str, str]) -> SlackError:
        response = error.response
        status = getattr(response, "status_code", 0)
        data = getattr(response, "data", None)
        code = str(data.get("error", "")) if isinstance(data, dict) else ""
        if status == 429 or code in _LIMITED:
            seconds = _seconds(response.headers.get("Retry-After", ""))
            self._hold(place, seconds)
            return LimitedError(seconds)
        if not code or code in _UNCLEAR:
            return UnsureError(code or f"status {status}")
        return RefusedError(code)

    def _hold(self, place: tuple[str, str], seconds: float) -> None:
        now = time.monotonic()
        if len(self._again_at) >= KEPT_PAUSES:
            self._again_at = {key: at for key, at in self._again_at.items() if at > now}
        self._again_at[place] = now + seconds


def _seconds(given: str) -> float:
    """The `Retry-After` of an answer; a second where it has none."""
    return float(given) if given.isdigit() else 1.0


class SlackHosts:
    """Slack's own hosts: the real ones, and where the Web API is set to be.

    Addresses of files and answers come with payloads, so they are looked at before they are called.
    """

    def __init__(self, api_base: str) -> None:
        self._own = _origin(api_base)

    def hold(self, url: str, host: str) -> bool:
        """Whether an address is at this host of Slack, over https, or at the Web API's origin."""
        origin = _origin(url)
        return origin is not None and origin in (("https", host, None), self._own)


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return None if parts.username or parts.password else (parts.scheme, parts.hostname, port)
