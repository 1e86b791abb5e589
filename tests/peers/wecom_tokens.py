"""Access tokens of WeCom: one for each secret, 7200 s, and what is said of bad ones."""

from dataclasses import dataclass
from itertools import count

from peers.wecom_wire import Clock, RefusedError

LIFETIME = 7200.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a corp and what its token is good for."""

    corp: str
    value: str
    agent_id: int = 0
    """The app it belongs to; 0 is none: the kf secret of an old corp."""
    may_call_kf: bool = False
    """Listed in the kf admin page as one that may call the API."""


@dataclass(slots=True)
class Token:
    """A token that was given out."""

    value: str
    secret: Secret
    ends_at: float
    revoked: bool = False


class Tokens:
    """The tokens of all corps."""

    def __init__(self, clock: Clock) -> None:
        self.asked = 0
        """Calls of `gettoken`, good and bad."""
        self.wrong = 0
        """Those with a wrong secret, for which WeCom blocks the caller's address in the end."""
        self.lifetime = LIFETIME
        self.corps: set[str] = set()
        self._clock = clock
        self._secrets: dict[tuple[str, str], Secret] = {}
        self._current: dict[Secret, Token] = {}
        self._all: dict[str, Token] = {}
        self._numbers = count(1)

    def add(self, secret: Secret) -> None:
        """Make a secret known."""
        self._secrets[secret.corp, secret.value] = secret

    def drop(self, value: str) -> None:
        """Replace a secret in the console: it and its token are worth nothing from now on."""
        for key, secret in list(self._secrets.items()):
            if secret.value == value:
                self.revoke(value)
                del self._secrets[key]

    def give(self, corp: str, value: str) -> Token:
        """Return the token of a secret: the same one while it is valid."""
        self.asked += 1
        if corp not in self.corps:
            raise RefusedError(40013, "invalid corpid")
        secret = self._secrets.get((corp, value))
        if secret is None:
            self.wrong += 1
            raise RefusedError(40001, "invalid credential")
        token = self._current.get(secret)
        if token is None or token.revoked or token.ends_at <= self._clock.now():
            name = f"token{next(self._numbers):04}-{'x' * 200}"
            token = Token(name, secret, self._clock.now() + self.lifetime)
            self._current[secret] = self._all[name] = token
        return token

    def owner(self, value: str) -> Secret:
        """Return whose token it is, or refuse it."""
        if not value:
            raise RefusedError(41001, "access_token missing")
        token = self._all.get(value)
        if token is None or token.revoked:
            raise RefusedError(40014, "invalid access_token")
        if token.ends_at <= self._clock.now():
            raise RefusedError(42001, "access_token expired")
        return token.secret

    def known(self, value: str) -> Secret | None:
        """Return whose token it is or was."""
        token = self._all.get(value)
        return token.secret if token else None

    def revoke(self, secret: str | None = None) -> None:
        """End the token of a secret before its time, or all: 40014 from now on."""
        for token in self._current.values():
            if secret in {None, token.secret.value}:
                token.revoked = True

    def expire(self, secret: str | None = None) -> None:
        """Let the token of a secret reach its end, or all: 42001 from now on."""
        for token in self._current.values():
            if secret in {None, token.secret.value}:
                token.ends_at = 0.0
