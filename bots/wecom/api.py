"""The calls that XiaoQ makes to WeCom. All raise `bots.wecom.errors`.

The access token travels in the address, so no error of aiohttp goes further than this file.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from pydantic_core import to_json

from bots.proxies import proxy_for
from bots.wecom.errors import (
    TOO_MANY,
    ApiError,
    AwayError,
    SecretError,
    TokenError,
    TooManyError,
    error_of,
)
from bots.wecom.tokens import Tokens
from core.redis import Store

CALL_SECONDS = 10.0
CALLS_AT_ONCE = 64
KEPT_SECONDS = 60.0
FIRST_HOLD_SECONDS = 1.0
LONGEST_HOLD_SECONDS = 60.0
"""WeCom does not say how long "too many" holds; its shortest window is a minute."""
LONGEST_TOLD_SECONDS = 300.0
"""Whoever says longer, such as a proxy on the way, is asked again after this."""

Params = Mapping[str, str]
NOTHING: Params = {}


@asynccontextmanager
async def open_session(base: str) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """One pool of connections to WeCom."""
    connector = aiohttp.TCPConnector(limit=CALLS_AT_ONCE, keepalive_timeout=KEPT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, proxy=proxy_for(base)) as session:
        yield session


class WeComApi:
    """The API as one secret may use it."""

    def __init__(
        self, session: aiohttp.ClientSession, store: Store, base: str, corp: str, secret: str
    ) -> None:
        self.session = session
        self.base = base.rstrip("/") + "/"
        self.date = ""
        """The `Date` of the newest answer."""
        self._credentials = {"corpid": corp, "corpsecret": secret}
        self._tokens = Tokens(store, corp, secret, self._fetch_token)
        self._held: dict[str, tuple[float, float]] = {}
        """Methods of which there were too many calls: until when, and for how long."""

    async def call(
        self, method: str, body: object = None, params: Params = NOTHING
    ) -> dict[str, Any]:
        """Call a method: POST with a body, else GET. Repeated only where the token was refused."""
        self._respect(method)
        token = await self._tokens.current()
        try:
            return await self._once(method, token, body, params)
        except TokenError:
            token = await self._tokens.renew(token)
        try:
            return await self._once(method, token, body, params)
        except TokenError as error:
            raise AwayError(f"{method}: a new token is refused too", error.code) from None

    async def token(self) -> str:
        """An access token, for what goes by other ways than `call`; raises ApiError."""
        return await self._tokens.current()

    async def renewed(self, failed: str) -> str:
        """An access token that is another than the one that failed; raises ApiError."""
        return await self._tokens.renew(failed)

    async def check_secret(self) -> None:
        """Ask for a token anew, whatever is cached; raises ApiError."""
        await self._fetch_token()

    async def _fetch_token(self) -> tuple[str, float]:
        try:
            answer = await self._ask("gettoken", None, self._credentials)
        except TokenError as error:
            raise AwayError("gettoken: makes no sense", error.code) from None
        except ApiError as error:
            if error.code and not isinstance(error, AwayError | TooManyError):
                raise SecretError(str(error), error.code) from None
            raise
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise AwayError("gettoken: makes no sense")
        return token, float(seconds)

    async def _once(self, method: str, token: str, body: object, params: Params) -> dict[str, Any]:
        return await self._ask(method, body, {"access_token": token, **params})

    async def _ask(self, method: str, body: object, params: Params) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                self.session.request(
                    "GET" if body is None else "POST",
                    self.base + method,
                    params=params,
                    data=None if body is None else to_json(body),
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AwayError(f"{method}: {type(error).__name__}") from None
        self.date = response.headers.get("Date", "")
        return self.judge(method, response, raw)

    def judge(self, method: str, response: aiohttp.ClientResponse, raw: bytes) -> dict[str, Any]:
        """The answer as WeCom meant it."""
        wait = response.headers.get("Retry-After", "")
        if response.status == 429:
            raise self._hold(method, wait)
        try:
            answer = json.loads(raw)
            code = int(answer.get("errcode", 0))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise AwayError(f"{method}: status {response.status}") from None
        if code in TOO_MANY:
            raise self._hold(method, wait, code)
        if code:
            raise error_of(method, code, str(answer.get("errmsg", "")))
        if response.status != 200:
            raise AwayError(f"{method}: status {response.status}")
        self._held.pop(method, None)
        return dict(answer)

    def _hold(self, method: str, wait: str, code: int = 0) -> TooManyError:
        """Note that there were too many calls of a method: nobody here repeats it sooner."""
        until, before = self._held.get(method, (0.0, FIRST_HOLD_SECONDS / 2))
        left = until - time.monotonic()
        if left > 0:  # several were under way when the first of them was refused
            return TooManyError(left, code)
        told = wait.isascii() and wait.isdigit()
        seconds = float(wait) if told else min(2 * before, LONGEST_HOLD_SECONDS)
        seconds = min(max(seconds, FIRST_HOLD_SECONDS), LONGEST_TOLD_SECONDS)
        self._held[method] = (time.monotonic() + seconds, seconds)
        return TooManyError(seconds, code)

    def _respect(self, method: str) -> None:
        until, _ = self._held.get(method, (0.0, 0.0))
        left = until - time.monotonic()
        if left > 0:
            raise TooManyError(left)
