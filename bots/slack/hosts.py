"""Whom we call besides the Web API: addresses come with payloads, so they are looked at first."""

from urllib.parse import urlsplit

FILES = "files.slack.com"
HOOKS = "hooks.slack.com"


class Hosts:
    """Slack's own hosts: the real ones, and where the Web API is set to be."""

    def __init__(self, api_base: str) -> None:
        self._own = _origin(api_base)

    def holds(self, url: str, host: str) -> bool:
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
