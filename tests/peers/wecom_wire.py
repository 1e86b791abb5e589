"""What goes over the wires of WeCom's API: refusals, calls as they came, and the peer's clock."""

import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

Body = dict[str, Any]

DAY = 24 * 3600.0
MESSAGE_BYTES = 2048
"""Bytes of UTF-8 in a text or a Markdown message; only the AI bot has more."""


class RefusedError(Exception):
    """WeCom refuses a call: an `errcode`, always with HTTP status 200."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code

    def response(self) -> web.Response:
        """Make the answer that says so."""
        return web.json_response({"errcode": self.code, "errmsg": self.sentence})

    @property
    def sentence(self) -> str:
        """The reason as WeCom words it: with a hint that differs each time."""
        hint = f"hint: [{time.time_ns()}], from ip: 127.0.0.1"
        return f"{self}, {hint}, more info at https://open.work.weixin.qq.com/devtool"


def invalid(reason: str = "invalid parameter") -> RefusedError:
    """Build the refusal of a call that is wrong in itself."""
    return RefusedError(40058, reason)


@dataclass(slots=True)
class Call:
    """One call of the API, as it came."""

    number: int
    """From 1, in the order of arrival."""
    at: float
    """Seconds of `time.monotonic`, which all processes of a machine share."""
    method: str
    """The path behind `/cgi-bin/`."""
    query: dict[str, str]
    """Without the token."""
    body: Body
    token: str = ""
    corp: str = ""
    """The corp whose token it was; empty for a token nobody has."""
    errcode: int | None = None
    """What was answered; None while nothing was, and when the answer never came."""
    answer: Body = field(default_factory=dict)


class Clock:
    """The time of the peer, which can be moved on."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self._ahead

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass at once for WeCom; nobody else's clock moves."""
        self._ahead += seconds


class Ids:
    """Ids that no other thing of the peer has."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, kind: str) -> str:
        """Return an id that begins with its kind."""
        return f"{kind}{next(self._numbers):06}"

    def number(self) -> int:
        """Return a 64-bit number as `MsgId` is."""
        return 7_420_000_000_000_000_000 + next(self._numbers)


def size(text: object) -> int:
    """Return the bytes of a text."""
    return len(str(text).encode())


def text_of(body: Body, kind: str) -> str:
    """Return the content of a message of this kind; the refusal where it is empty or too long."""
    content = body.get(kind)
    text = content.get("content") if isinstance(content, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(44004, "content is empty")
    if size(text) > MESSAGE_BYTES:
        raise RefusedError(45002, "content size out of limit")
    return text
