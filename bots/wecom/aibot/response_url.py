"""One message after a stream has ended: each question and press brings an address for it.

It can be used once, within an hour (developer.work.weixin.qq.com/document/path/101138), needs no
token, and whoever knows it can write in the bot's name: it stays out of logs and errors.
"""

import asyncio
import json
from collections.abc import Sequence

import aiohttp
from pydantic_core import to_json

from bots.wecom.aibot.events import RESPONSE_URL
from bots.wecom.aibot.hosts import Hosts
from bots.wecom.aibot.replies import Body
from bots.wecom.errors import TOO_MANY, ApiError, AwayError, RefusedError, TooManyError, error_of
from core.messages import Message

CALL_SECONDS = 10.0
GOOD_SECONDS = 3_600.0
WAIT_SECONDS = 2.0
_METHOD = "aibot/response"


class ResponseUrls:
    """Posts to them."""

    def __init__(self, session: aiohttp.ClientSession, hosts: Hosts) -> None:
        self._session = session
        self._hosts = hosts

    def usable(self, messages: Sequence[Message], now: float) -> list[str]:
        """Those of some messages that should still be good, the newest first."""
        return [
            url
            for message in reversed(messages)
            if (url := message.envelope.get(RESPONSE_URL, ""))
            and now - message.received_at < GOOD_SECONDS
            and self._hosts.hold(url)
        ]

    async def post(self, url: str, body: Body) -> None:
        """Use one up. Raises ApiError: RefusedError if it is used up or too old."""
        headers = {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                self._session.post(
                    url, data=to_json(body), headers=headers, allow_redirects=False
                ) as response,
            ):
                raw, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AwayError(f"{_METHOD}: {type(error).__name__}") from None
        if problem := _problem(status, raw):
            raise problem


def _problem(status: int, raw: bytes) -> ApiError | None:
    if status == 429:
        return TooManyError(WAIT_SECONDS)
    try:
        code = int(json.loads(raw).get("errcode", 0)) if raw.strip() else 0
    except (ValueError, TypeError, AttributeError, RecursionError):
        code = 0 if status == 200 else -1
    if code in TOO_MANY:
        return TooManyError(WAIT_SECONDS, code)
    if code == 0 and status == 200:
        return None
    if code == 0 and 400 <= status < 500:
        return RefusedError(f"{_METHOD}: status {status}")
    return error_of(_METHOD, code or -1)
