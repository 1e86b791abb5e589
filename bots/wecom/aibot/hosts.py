"""Which addresses that a callback names are called: WeCom's own alone."""

from yarl import URL

_SUFFIXES = (".qq.com", ".myqcloud.com", ".tencentcos.cn")
"""WeCom's API, and where Tencent keeps what people send."""


class Hosts:
    """Knows the API's base of an account, which may be a proxy or a server for tests."""

    def __init__(self, api_base: str) -> None:
        self._origin = URL(api_base).origin()

    def hold(self, address: str) -> bool:
        """Whether an address may be called."""
        try:
            url = URL(address)
            if url.user is not None or url.password is not None:
                return False
            if url.absolute and url.origin() == self._origin:
                return True
        except ValueError:
            return False
        is_theirs = f".{(url.host or '').lower()}".endswith(_SUFFIXES)
        return url.scheme == "https" and url.port == 443 and is_theirs
