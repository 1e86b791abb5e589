"""One HTTP request to one endpoint, from sending it to the end of its answer."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from inference.client.chat import Finish, Prompt
from inference.client.completion import AnswerReader, BadAnswerError, request_body
from inference.client.endpoint import AttemptError, Endpoint, session_headers
from inference.client.errors import BrokenAnswerError, ModelTimeoutError

CONNECT_SECONDS = 5.0
USAGE_SECONDS = 1.0
"""How long a complete answer waits for its usage and the end of the response."""

_REFUSED = {400, 413, 422}
_PASSING = {408, 425}


class Answer:
    """An answer to a request that was sent; whoever has it closes it."""

    def __init__(self, response: aiohttp.ClientResponse, deadline: float) -> None:
        """After `deadline`, by the event loop's clock, nothing more of it is waited for."""
        self._response = response
        self._content = response.content
        self._reader = AnswerReader(streamed=response.content_type != "application/json")
        self._first: str | None = None
        # aiohttp's own deadline is set up and taken down for every read.
        loop = asyncio.get_running_loop()
        self._too_late = loop.call_at(deadline, self._content.set_exception, TimeoutError())

    def close(self) -> None:
        """End the request, whatever has come of its answer."""
        self._too_late.cancel()
        self._response.close()

    async def begin(self) -> None:
        """Wait for the first text, or for the end of an empty answer.

        Keep-alive comments and a first chunk with only the role are no text.
        """
        self._first = await self._next()

    async def read(self) -> str:
        """Wait for more text, from its beginning; what arrives together is one. "" is the end.

        Raises ModelTimeoutError if the end does not come in time, BrokenAnswerError if it never
        will.
        """
        if self._first is not None:
            text, self._first = self._first, None
            return text
        try:
            return await self._next()
        except TimeoutError as error:
            raise ModelTimeoutError("no end of the answer in time") from error
        except (aiohttp.ClientError, BadAnswerError) as error:
            raise BrokenAnswerError("the answer broke off") from error

    def finish(self) -> Finish:
        """Return how the answer ended."""
        return self._reader.finish()

    async def _next(self) -> str:
        """Wait for more text; "" is the end."""
        while not self._reader.complete:
            data = await self._content.readany()
            if not data:
                return self._reader.close()
            if text := self._reader.feed(data):
                return text
        await self._read_rest()
        return ""

    async def _read_rest(self) -> None:
        """Read the usage, and the end of the response: only then can its connection be used again.

        Nothing that goes wrong here harms the answer.
        """
        if self._content.at_eof():
            return
        with suppress(aiohttp.ClientError, BadAnswerError, TimeoutError):
            async with asyncio.timeout(USAGE_SECONDS):
                while data := await self._content.readany():
                    self._reader.feed(data)


async def open_answer(
    http: aiohttp.ClientSession,
    endpoint: Endpoint,
    prompt: Prompt,
    *,
    first_token_seconds: float,
    total_seconds: float,
) -> Answer:
    """Send a prompt and wait for the answer's first text.

    Raises AttemptError if the endpoint does not answer in time or answers with an error. The
    answer's end must come within `total_seconds`.
    """
    deadline = asyncio.get_running_loop().time() + total_seconds
    try:
        async with asyncio.timeout(min(first_token_seconds, total_seconds)):
            response = await _send(http, endpoint, prompt)
            return await _begin(response, deadline)
    except aiohttp.ClientConnectionError as error:
        raise AttemptError("unreachable") from error
    except TimeoutError as error:
        raise AttemptError("timeout") from error
    except aiohttp.ClientError as error:
        raise AttemptError("error") from error
    except BadAnswerError as error:
        raise _failure(error.status) from error


async def _begin(response: aiohttp.ClientResponse, deadline: float) -> Answer:
    if response.status != 200:
        response.close()
        raise _failure(response.status, _retry_after(response))
    answer = Answer(response, deadline)
    try:
        await answer.begin()
    except BaseException:
        answer.close()
        raise
    return answer


async def _send(
    http: aiohttp.ClientSession, endpoint: Endpoint, prompt: Prompt
) -> aiohttp.ClientResponse:
    """Send a prompt; once more without optional fields if the server seems to refuse them."""
    optional = endpoint.optional_fields
    model = _model(endpoint, prompt)
    body = request_body(model, prompt, optional_fields=optional)
    headers = endpoint.headers | session_headers(prompt.session)
    response = await _post(http, endpoint, body, headers)
    if optional and response.status in _REFUSED:
        response.close()
        body = request_body(model, prompt, optional_fields=False)
        response = await _post(http, endpoint, body, headers)
        endpoint.optional_fields = response.status != 200
    return response


def _model(endpoint: Endpoint, prompt: Prompt) -> str:
    settings = endpoint.settings
    has_it = prompt.adapter in settings.adapters
    return f"{settings.model}:{prompt.adapter}" if has_it else settings.model


async def _post(
    http: aiohttp.ClientSession, endpoint: Endpoint, body: bytes, headers: dict[str, str]
) -> aiohttp.ClientResponse:
    """Send a request, a second time if its kept-alive connection turns out to be closed.

    The server closes idle connections; a request that meets that moment says nothing about its
    health.
    """

    async def send() -> aiohttp.ClientResponse:
        return await http.post(
            endpoint.chat_url,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )

    try:
        return await send()
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        return await send()


def _failure(status: int | None, retry_after: float | None = None) -> AttemptError:
    """Say what a status means for the endpoint; None is an answer that cannot be read."""
    if status in _REFUSED:
        return AttemptError("refused", status=status)
    if status == 429 or (status == 503 and retry_after is not None):
        return AttemptError("busy", status=status, retry_after=retry_after)
    if status is None or status >= 500 or status in _PASSING:
        return AttemptError("error", status=status)
    return AttemptError("misconfigured", status=status)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Read Retry-After, in seconds: a number of them or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
