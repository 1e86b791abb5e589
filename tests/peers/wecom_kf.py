"""A kf account of WeCom (微信客服): what customers wrote, the pages of it, and the sessions.

Paths 94670, 94677 and 94669 of https://developer.work.weixin.qq.com/document.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from peers.wecom_wire import DAY, Body, Clock, Ids, RefusedError, invalid, size

HISTORY_SECONDS = 3 * DAY
ANSWER_SECONDS = 2 * DAY
"""A customer can be written to for so long after the last message."""
BUDGET = 5
"""Messages to a customer for each message of the customer."""
BELL_SECONDS = 600.0
"""How long the token of a callback is good for."""
SHORT_CODE_SECONDS = 20.0

Bring = Callable[[Body], object]
"""Brings an event to the company as a callback."""

NEW, ASSISTANT, POOL, SERVICER, ENDED = range(5)
MOVES = {
    NEW: {ASSISTANT, POOL, SERVICER, ENDED},
    ASSISTANT: {POOL, SERVICER, ENDED},
    POOL: {SERVICER, ENDED},
    SERVICER: {SERVICER, ENDED},
    ENDED: set[int](),
}
"""Where a session can be moved by a call, by its state."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the company that stands in a customer's chat."""

    msgid: str
    at: float
    """Seconds of the peer's clock."""
    monotonic: float
    """Seconds of `time.monotonic`."""
    msgtype: str
    body: Body
    by: str = "api"
    """`api`, `event` for an answer to a code, or a servicer."""

    @property
    def text(self) -> str:
        """What the customer reads."""
        if self.msgtype == "text":
            return str(self.body["content"])
        return str(self.body.get("head_content", ""))


@dataclass(slots=True)
class Session:
    """A customer at one kf account."""

    user: str
    state: int = ENDED
    servicer: str = ""
    wrote_at: float | None = None
    sent: int = 0
    """Messages since the customer wrote last."""
    welcomed_at: float | None = None
    shown: list[Shown] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    """The states it was moved to, in order."""

    def move(self, state: int, servicer: str = "") -> None:
        """Be in a state from now on."""
        self.state, self.servicer = state, servicer
        self.states.append(state)


@dataclass(slots=True)
class Code:
    """What `send_msg_on_event` takes, once."""

    user: str
    state: int | None
    """The state it works in; None is any, for a welcome."""
    ends_at: float
    kinds: frozenset[str]


class KfAccount:
    """One kf account: its log, its sessions and its codes."""

    def __init__(self, open_kfid: str, corp: str, clock: Clock, ids: Ids, bring: Bring) -> None:
        self.id = open_kfid
        self.corp = corp
        self.name = f"客服{open_kfid}"
        self.managed = True
        """Under API management; without it no call works for the account."""
        self.servicers: dict[str, bool] = {}
        """Who serves here, and whether they receive customers now."""
        self.greets_itself = False
        """A welcome is set in the console: no codes for the API."""
        self.page = 1000
        """Most items in one page, below what a caller asks for."""
        self.empty_pages = 0
        """So many next pages are empty though there is more."""
        self.sessions: dict[str, Session] = {}
        self.items: list[Body] = []
        self.pulls: list[Body] = []
        """The answers to `sync_msg`."""
        self.codes: dict[str, Code] = {}
        self.msgids: set[str] = set()
        self.repeated_errcode = 95032
        """What an id that was sent already is refused with; 0 takes it and shows nothing.

        The documents do not say what happens, so nobody may rely on either.
        """
        self.clock = clock
        self.ids = ids
        self._bring = bring
        self._bells: dict[str, float] = {}
        self._pages = count(1)
        self._held = False

    def session(self, user: str) -> Session:
        """Return a customer's session as it is now, or refuse one who was never here."""
        if user not in self.sessions:
            raise RefusedError(40096, "invalid external userid")
        session = self.sessions[user]
        now = self.clock.now()
        if session.wrote_at is not None and session.wrote_at + ANSWER_SECONDS < now:
            session.state, session.servicer = ENDED, ""
        return session

    def visit(self, user: str) -> Session:
        """Return a customer's session, which begins if there was none."""
        self.sessions.setdefault(user, Session(user))
        return self.session(user)

    def texts(self, user: str, by: str | None = None) -> list[str]:
        """Return what a customer was written, by anybody or by one."""
        shown = self.sessions[user].shown if user in self.sessions else []
        return [message.text for message in shown if by in {None, message.by}]

    def log(self, origin: int, msgtype: str, content: Body, **more: Any) -> Body:
        """Add an item and ring."""
        item: Body = {
            "msgid": self.ids.new("kfmsg_"),
            "open_kfid": self.id,
            "send_time": int(self.clock.now()),
            "origin": origin,
            "msgtype": msgtype,
            msgtype: content,
        } | more
        if msgtype == "event":
            del item["open_kfid"]
        self.items.append(item)
        if not self._held:
            self.ring()
        return item

    def ring(self) -> str:
        """Bring the callback that says that there is something; its token."""
        bell = self.bell()
        self._bring(bell)
        return str(bell["Token"])

    def expire_bells(self) -> None:
        """Let the tokens of all callbacks so far reach their end: 95007 from now on."""
        self._bells.clear()

    def bell(self) -> Body:
        """Return that callback without bringing it."""
        token = f"ENC{secrets.token_urlsafe(24)}"
        self._bells[token] = self.clock.now() + BELL_SECONDS
        return {
            "ToUserName": self.corp,
            "CreateTime": int(self.clock.now()),
            "MsgType": "event",
            "Event": "kf_msg_or_event",
            "Token": token,
            "OpenKfId": self.id,
        }

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Ring once at the end of the block instead of for each item in it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.ring()

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Ring for nothing in the block: those callbacks are lost."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def pull(self, cursor: str, token: str, limit: int) -> Body:
        """Return the page after a cursor."""
        if token and self._bells.get(token, 0.0) < self.clock.now():
            raise RefusedError(95007, "invalid msg token")
        at = self._place(cursor)
        oldest = self.clock.now() - HISTORY_SECONDS
        while at < len(self.items) and self.items[at]["send_time"] < oldest:
            at += 1
        found = self.items[at : at + min(limit, self.page)]
        if found and self.empty_pages > 0:
            self.empty_pages -= 1
            found = []
        end = at + len(found)
        page = {
            "next_cursor": f"c-{self.id[:20]}-{end}-{next(self._pages)}",
            "has_more": int(end < len(self.items)),
            "msg_list": found,
        }
        self.pulls.append(page)
        return page

    def _place(self, cursor: str) -> int:
        if not cursor:
            return 0
        parts = cursor.rsplit("-", 2)
        if size(cursor) > 64 or len(parts) != 3 or parts[0] != f"c-{self.id[:20]}":
            raise invalid("invalid cursor")
        return int(parts[1])

    def code(self, user: str, state: int | None, seconds: float, *kinds: str) -> str:
        """Give out a code for an answer to an event."""
        value = self.ids.new("CODE")
        self.codes[value] = Code(user, state, self.clock.now() + seconds, frozenset(kinds))
        return value

    def state_code(self, user: str, state: int) -> str:
        """Give out the code of a move to a state."""
        if state == ENDED:
            return self.code(user, state, SHORT_CODE_SECONDS, "text", "msgmenu")
        return self.code(user, state, ANSWER_SECONDS, "text")
