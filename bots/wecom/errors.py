"""What goes wrong with calls to WeCom. No text holds a token or a secret.

ApiError                base; `code` is WeCom's errcode, 0 where it gave none
    AwayError           no answer, or no sensible one: it may or may not have been done; repeat
    TooManyError        not done; repeat after `seconds`
    SecretError         the secret, the agent id or a permission is wrong: an administrator's matter
    RefusedError        this call will never be taken
        ClosedError     nothing can be sent to this receiver: the core's UndeliverableError
    TokenError          the access token was not taken; `bots.wecom.api` alone sees it
"""

import re

from core.errors import UndeliverableError

BUSY = {-1, 6000}
TOO_MANY = {45009, 45033, 45011}
TOKEN = {40014, 42001, 41001}
UNTRUSTED = 60020
ADMINISTRATOR = {
    40001: "the secret is wrong",
    40013: "the corp id is wrong",
    40056: "the agent id is wrong",
    301002: "the secret is that of another app",
    48001: "the app has no permission for this API",
    48002: "the app has no permission for this API",
    60011: "the app may not see this member",
    UNTRUSTED: "this machine's IP address is not a trusted one of the app",
    95011: "kf is not under API management",
    95012: "kf is not under API management",
    95017: "the API switch of kf is off",
}
"""Errcodes that an administrator has to act on (platforms differ in nothing but the sentence)."""
ONE_KF_ACCOUNT = {95011, 95012, 95017}
"""Those of them that can hold for one kf account alone."""
CLOSED = {
    40003,
    40031,
    40096,
    50002,
    60011,
    60111,
    81013,
    82001,
    95001,
    95002,
    95031,
}
"""Errcodes that hold for everything sent to one receiver."""

_ADDRESS = re.compile(r"from ip: ([0-9a-fA-F.:]{3,45})")


class ApiError(Exception):
    """Base of what goes wrong with a call."""

    def __init__(self, what: str, code: int = 0) -> None:
        super().__init__(f"{what} (errcode {code})" if code else what)
        self.code = code


class AwayError(ApiError):
    """WeCom cannot be reached or makes no sense; whether the call was carried out is unknown."""


class TooManyError(ApiError):
    """Too many calls; repeat this one after `seconds`."""

    def __init__(self, seconds: float, code: int = 0) -> None:
        super().__init__(f"told to wait {seconds:g} s", code)
        self.seconds = seconds


class SecretError(ApiError):
    """Secret, agent id, permission or address are wrong; tell an administrator."""


class RefusedError(ApiError):
    """WeCom will never take this call as it is."""


class ClosedError(RefusedError, UndeliverableError):
    """Nothing can be sent to this receiver now."""


class TokenError(ApiError):
    """The access token was not taken."""


def error_of(method: str, code: int, said: str = "") -> ApiError:
    """The error that says what an errcode means; of what WeCom `said` the address it saw alone."""
    if code in TOKEN:
        return TokenError(method, code)
    if code in BUSY:
        return AwayError(f"{method}: busy", code)
    if code in CLOSED:
        return ClosedError(f"{method}: not to this receiver", code)
    if code in ADMINISTRATOR:
        seen = _ADDRESS.search(said) if code == UNTRUSTED else None
        what = ADMINISTRATOR[code] + (f": {seen[1]}" if seen else "")
        return SecretError(f"{method}: {what}", code)
    return RefusedError(f"{method}: refused", code)
