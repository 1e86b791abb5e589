"""The proxy that the environment names, asked once.

With `trust_env` aiohttp asks anew, in a thread, for every single call.
"""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """The proxy for an address, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY; None without one."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)
