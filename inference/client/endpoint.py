"""One model server as the client knows it: its places and its health by real use."""

import asyncio
import secrets
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import structlog
from yarl import URL

from config.settings import EndpointSettings
from inference.client.backoff import Backoff, Clock
from inference.client.chat import SESSION_HEADER

log = structlog.get_logger()

FailureKind = Literal["unreachable", "timeout", "error", "busy", "misconfigured", "refused"]

LONGEST_RETRY_AFTER_SECONDS = 120.0
MISCONFIGURED_SECONDS = 120.0
_SESSION_KEY = secrets.token_bytes(16)
"""Nobody can tell from a session's name who it is, nor find the same one after a restart."""


class AttemptError(Exception):
    """An endpoint did not answer; try the next one.

    `refused` means that it did not like this request and is fine otherwise; `misconfigured` that no
    request of ours can succeed until somebody changes a setting. `retry_after` is in seconds.
    """

    def __init__(
        self, kind: FailureKind, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint for `/ready`; `url` carries neither credentials nor query.

    `busy` is an endpoint that asked for a pause (429) or whose places are all taken, `unknown` one
    that was never used. `retry_seconds` is how long the back-off still lasts.
    """

    url: str
    model: str
    state: Literal["up", "down", "busy", "unknown"]
    in_flight: int
    waiting: int
    last_error: FailureKind | None
    retry_seconds: float | None


class Endpoint:
    """A model server, its places and its health.

    Use by real requests is the only probe: `Place` reports what became of each.
    """

    def __init__(self, settings: EndpointSettings, clock: Clock) -> None:
        url = URL(str(settings.url))
        self.settings = settings
        base = url.with_user(None).with_fragment(None)
        self.name = str(base.with_query(None))
        self.chat_url = (base / "chat" / "completions").with_query(base.query)
        self.tokenize_url = base.with_path(f"{base.path.rstrip('/').removesuffix('/v1')}/tokenize")
        self.headers = _headers(settings, url)
        """Those of every request."""
        self.optional_fields = True
        """False once the server has refused them."""
        self.is_open = True
        """False while its supervisor knows that it takes no requests."""
        self.in_flight = 0
        self.waiters: deque[Waiter] = deque()
        self.last_error: FailureKind | None = None
        self._backoff = Backoff(clock)
        self._clock = clock
        self._used = False
        self._identity = blake2b(f"{self.name}\0{settings.model}\0".encode(), digest_size=8)

    @property
    def admits(self) -> bool:
        """True if it is up, or down and due for another try."""
        return self.is_open and self._backoff.admits

    @property
    def has_room(self) -> bool:
        """True if a request can be sent this moment."""
        return self.in_flight < self.settings.concurrency and self.admits

    @property
    def paused(self) -> bool:
        """True if it is alive and asked for a pause."""
        return self._backoff.down and self.last_error == "busy"

    @property
    def state(self) -> EndpointState:
        """Its present state."""
        return EndpointState(
            url=self.name,
            model=self.settings.model,
            state=self._state(),
            in_flight=self.in_flight,
            waiting=len(self.waiters),
            last_error=self.last_error,
            retry_seconds=self._backoff.retry_seconds,
        )

    def open(self, is_open: bool) -> None:
        """Note what its supervisor says; one that comes back is tried at once."""
        self.is_open = is_open
        if is_open:
            self._backoff.reset()
            self.last_error = None

    def weight(self, session: str) -> bytes:
        """Rendezvous weight: a session prefers the endpoint where this is greatest."""
        digest = self._identity.copy()
        digest.update(session.encode(errors="surrogatepass"))
        return digest.digest()

    def occupy(self) -> "Place":
        """Take a place; `has_room` must be true."""
        self.in_flight += 1
        return Place(self, self._clock(), self._backoff.begin())

    def vacate(self, place: "Place") -> None:
        """Give a place back."""
        self.in_flight -= 1
        if place.probe and not place.judged:
            self._backoff.leave()

    def succeed(self) -> None:
        """Note that it answers."""
        if self._backoff.down:
            log.info("endpoint recovered", endpoint=self.name)
        self._backoff.reset()
        self._used = True
        self.last_error = None

    def fail(self, begun: float, error: AttemptError) -> None:
        """Note why a request sent at `begun` failed; back off unless the request was at fault."""
        self._used = True
        if error.kind == "refused":
            self.succeed()
        elif not self._backoff.fail(begun, _pause(error)):
            return
        self.last_error = error.kind
        self._report(error)

    def _report(self, error: AttemptError) -> None:
        facts: dict[str, object] = {"endpoint": self.name, "status": error.status}
        if error.kind in {"misconfigured", "refused"}:
            facts["setting"] = "XIAOQ_INFERENCE__ENDPOINTS"
        if self._backoff.retry_seconds is not None:
            facts["retry_seconds"] = round(self._backoff.retry_seconds, 1)
        if error.kind == "misconfigured":
            check = "api_key" if error.status in {401, 403} else "url (must end in /v1) and model"
            log.error("endpoint refuses every request", check=check, **facts)
        elif error.kind == "refused":
            check = "model, and that its context holds XIAOQ_INFERENCE__CONTEXT_TOKENS"
            log.warning("endpoint refused a request", check=check, **facts)
        else:
            log.warning("endpoint is down", reason=error.kind, **facts)

    def _state(self) -> Literal["up", "down", "busy", "unknown"]:
        if self._backoff.down or not self.is_open:
            return "busy" if self.paused else "down"
        if self.in_flight >= self.settings.concurrency:
            return "busy"
        return "up" if self._used else "unknown"


def session_headers(session: str) -> dict[str, str]:
    """Name a conversation to a server without telling whose it is."""
    return {SESSION_HEADER: blake2b(session.encode(), digest_size=16, key=_SESSION_KEY).hexdigest()}


@dataclass(slots=True, eq=False)
class Place:
    """A taken place: one request's right to use an endpoint, and its report on how that went."""

    endpoint: Endpoint
    begun: float
    probe: bool
    judged: bool = False

    def answering(self) -> None:
        """Report the first token."""
        self.judged = True
        self.endpoint.succeed()

    def failed(self, error: AttemptError) -> None:
        """Report a failure."""
        self.judged = True
        self.endpoint.fail(self.begun, error)


@dataclass(slots=True, eq=False)
class Waiter:
    """A request that waits for a place; `tried` are the endpoints that failed it already."""

    place: asyncio.Future[Place | None]
    tried: frozenset[Endpoint]
    ticket: int


def _pause(error: AttemptError) -> float | None:
    if error.kind == "misconfigured":
        return MISCONFIGURED_SECONDS
    if error.retry_after is None:
        return None
    return min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS)


def _headers(settings: EndpointSettings, url: URL) -> dict[str, str]:
    if settings.api_key is not None:
        return {"Authorization": f"Bearer {settings.api_key.get_secret_value().strip()}"}
    if url.user is not None:
        pair = f"{url.user}:{url.password or ''}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    return {}
