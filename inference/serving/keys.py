"""Who may call a model server, and whose turn a request is on."""

import hashlib
import hmac

from aiohttp import web
from pydantic import SecretStr

from inference.client.chat import SESSION_HEADER
from inference.serving.errors import ApiError


class Keyhole:
    """Lets in those who know the key; without a key, everybody."""

    def __init__(self, key: SecretStr | None) -> None:
        self._digest = _digest(key.get_secret_value()) if key is not None else None

    def check(self, request: web.Request) -> None:
        """Raise ApiError 401 for a wrong key; compared in constant time."""
        if self._digest is None:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        offered = _digest(given.strip() if scheme.lower() == "bearer" else "")
        if not hmac.compare_digest(self._digest, offered):
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")


def caller_of(request: web.Request, user: str) -> str:
    """Who takes turns with whom: a conversation if one is named, else a key."""
    session = request.headers.get(SESSION_HEADER) or user
    return session or request.headers.get("Authorization", "")


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape")).digest()
