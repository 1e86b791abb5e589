"""Who may call the API."""

import hashlib
import hmac

from aiohttp import web

from bots.api.errors import ApiError
from config.settings import ApiKey, ApiSettings
from core.limits import Limiter


class Keys:
    """Named keys, compared in constant time, each with its own rate."""

    def __init__(self, settings: ApiSettings, limiter: Limiter) -> None:
        self._keys = [(_digest(key.key.get_secret_value()), key) for key in settings.keys]
        self._limiter = limiter

    async def admit(self, request: web.Request) -> ApiKey:
        """The caller's key; raises ApiError 401 or 429."""
        key = self._recognise(request.headers.get("Authorization", ""))
        if key is None:
            raise ApiError(401)
        bucket = hashlib.blake2b(key.name.encode(), digest_size=12).hexdigest()
        wait = await self._limiter.wait_seconds(bucket, key.per_minute, key.per_minute)
        if wait:
            raise ApiError(429, retry_after=wait)
        return key

    def _recognise(self, header: str) -> ApiKey | None:
        scheme, _, given = header.partition(" ")
        offered = _digest(given.strip() if scheme.lower() == "bearer" else "")
        found = None
        for digest, key in self._keys:  # every key is compared, whichever fits
            if hmac.compare_digest(digest, offered):
                found = key
        return found


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape")).digest()
