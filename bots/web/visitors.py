"""Who a visitor is: an unguessable id in a signed cookie, and nothing else."""

import hashlib
import hmac
import secrets
from collections import OrderedDict

from aiohttp import web
from pydantic import SecretStr

from config.settings import WebSettings
from core.redis import Partition, Store

COOKIE = "xiaoq_visitor"
COOKIE_SECONDS = 365 * 24 * 3600
ID_BYTES = 18
KNOWN_MOST = 4096
KNOWN_LENGTH = 512
"""Cookie headers that are remembered as good, and how long each may be."""


async def load_secret(store: Store, settings: WebSettings) -> SecretStr:
    """The signing key: the one that was set, else one that all gateways share through Redis."""
    if settings.cookie_secret:
        return settings.cookie_secret
    key = Partition(0).key("cookie-secret")
    await store.set(key, secrets.token_urlsafe(32), nx=True)
    return SecretStr(str(await store.get(key)))


class Visitors:
    """Issues and checks cookies."""

    def __init__(self, secret: SecretStr, *, is_secure: bool) -> None:
        self._key = hashlib.blake2b(secret.get_secret_value().encode(), digest_size=32).digest()
        self._is_secure = is_secure
        self._known: OrderedDict[str, str] = OrderedDict()

    def recognise(self, request: web.Request) -> str | None:
        """The visitor's id, or None without a cookie of ours."""
        header = request.headers.get("Cookie", "")
        if header in self._known:
            return self._known[header]
        visitor = self.verify(request.cookies.get(COOKIE, ""))
        if visitor:
            self._remember(header, visitor)
        return visitor

    def verify(self, token: str) -> str | None:
        """The visitor's id that a token of ours holds, else None."""
        if not token.isascii():  # not one of ours, and perhaps no text at all
            return None
        visitor, _, signature = token.partition(".")
        is_ours = hmac.compare_digest(signature.encode(), self._sign(visitor).encode())
        return visitor if visitor and is_ours else None

    def _remember(self, header: str, visitor: str) -> None:
        """Spare a good cookie's next requests its parsing and signature."""
        if len(header) <= KNOWN_LENGTH:
            self._known[header] = visitor
        if len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)

    def token(self, visitor: str = "") -> str:
        """What a visitor proves to be itself with; a new visitor's without one."""
        visitor = visitor or secrets.token_urlsafe(ID_BYTES)
        return f"{visitor}.{self._sign(visitor)}"

    def welcome(self, response: web.StreamResponse) -> None:
        """Give a new visitor a cookie."""
        response.set_cookie(
            COOKIE,
            self.token(),
            max_age=COOKIE_SECONDS,
            httponly=True,
            secure=self._is_secure,
            samesite="Lax",
        )

    def _sign(self, visitor: str) -> str:
        return hmac.digest(self._key, visitor.encode(), "sha256").hex()
