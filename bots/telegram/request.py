"""The library's HTTP on aiohttp: a third of the CPU of its own backend
(`benchmarks/telegram_request.py`), and no address, which holds the token, in any error or log.
"""

from http import HTTPStatus

import aiohttp
from pydantic_core import from_json, to_json
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData
from typing_extensions import override

READ_SECONDS = 20.0
CONNECT_SECONDS = 5.0
JSON = {"Content-Type": "application/json"}


class FloodError(TelegramError):
    """Too many calls; `seconds` is how long to wait.

    The library's own error for it (22.8) warns whenever it is made.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Flood control exceeded. Retry in {seconds:g} seconds")
        self.seconds = seconds


class AiohttpRequest(BaseRequest):
    """Calls through a session that its owner opens and closes; sends no files."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.date = ""
        """When the server last answered, by its own clock: an HTTP Date header."""

    @property
    @override
    def read_timeout(self) -> float:
        """Seconds for an answer."""
        return READ_SECONDS

    @override
    async def initialize(self) -> None:
        """The session is open already."""

    @override
    async def shutdown(self) -> None:
        """The session's owner closes it."""

    @override
    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: object = BaseRequest.DEFAULT_NONE,
        write_timeout: object = BaseRequest.DEFAULT_NONE,
        connect_timeout: object = BaseRequest.DEFAULT_NONE,
        pool_timeout: object = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Status and body of the answer; raises NetworkError with nothing of the address in it."""
        seconds = read_timeout if isinstance(read_timeout, int | float) else READ_SECONDS
        total = seconds + CONNECT_SECONDS
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS)
        body = to_json(request_data.parameters) if request_data else None
        try:
            async with self._session.request(
                method, url, data=body, headers=JSON, timeout=timeout, allow_redirects=False
            ) as answer:
                self.date = answer.headers.get("Date", "")
                content = await answer.read()
        except TimeoutError:
            raise TimedOut from None
        except aiohttp.ClientError as error:
            raise NetworkError(type(error).__name__) from None
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise FloodError(_retry_after(content))
        return answer.status, content

    @staticmethod
    @override
    def parse_json_payload(payload: bytes) -> dict[str, object]:
        """What was answered; the library's own would log it whole where it is no JSON."""
        try:
            answer = from_json(payload)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not ("result" in answer or answer.get("ok") is False):
            raise TelegramError("Invalid server response") from None
        return answer


def _retry_after(content: bytes) -> float:
    """What a refusal for haste says in its body; a second if it does not."""
    try:
        return float(from_json(content)["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        return 1.0
