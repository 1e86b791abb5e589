"""What the fake Slack keeps: bots, messages, streams, calls, channels, mentions."""

from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:write",
    "users:read",
    "users:read.email",
)
"""The scopes of a bot that was installed with everything."""


class SlackError(Exception):
    """Slack's `ok: false`: an error code, and what else stands beside it in the answer."""

    def __init__(self, code: str, *messages: str, **extra: object) -> None:
        super().__init__(code)
        self.code = code
        self.extra: Body = dict(extra)
        if messages:
            self.extra["response_metadata"] = {"messages": [f"[ERROR] {m}" for m in messages]}


@dataclass(slots=True)
class Bot:
    """An app installed in a workspace. Without a `request_url` it is in Socket Mode."""

    token: str = "xoxb-1"
    app_token: str = "xapp-1"
    signing_secret: str = "secret-of-the-app"
    team: str = "T1"
    user: str = "UBOT"
    bot_id: str = "B1"
    app_id: str = "A1"
    name: str = "xiaoq"
    scopes: tuple[str, ...] = SCOPES
    request_url: str | None = None


@dataclass(slots=True)
class Message:
    """A message in its present state."""

    channel: str
    ts: str
    text: str
    user: str
    team: str
    bot: Bot | None = None
    """The bot of ours that wrote it."""
    bot_id: str | None = None
    thread_ts: str | None = None
    blocks: list[Body] = field(default_factory=list)
    metadata: Body | None = None
    files: list[Body] = field(default_factory=list)
    reactions: list[str] = field(default_factory=list)
    subtype: str | None = None
    edits: int = 0
    """How often it was changed after it was posted."""
    deleted: bool = False
    cut: bool = False
    """Slack cut its text at 40,000 characters."""
    streaming: bool = False
    seen_by: str | None = None
    """The only user that sees it, of an ephemeral one."""

    @property
    def shown(self) -> str:
        """What a reader reads: the blocks without their buttons if there are any, else the text."""
        said = [block for block in self.blocks if not block["type"].endswith("actions")]
        from_blocks = "\n".join(texts_in(said))
        return from_blocks or self.text

    def as_slack(self, *, metadata: bool = True) -> Body:
        """Return it as Slack writes messages."""
        body: Body = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        body |= {"team": self.team}
        optional: Body = {
            "subtype": self.subtype,
            "thread_ts": self.thread_ts,
            "bot_id": self.bot_id,
            "app_id": self.bot.app_id if self.bot else None,
            "blocks": self.blocks,
            "files": self.files,
            "metadata": self.metadata if metadata else None,
        }
        body |= {key: value for key, value in optional.items() if value}
        if self.edits:
            body["edited"] = {"user": self.user, "ts": self.ts}
        if self.reactions:
            body["reactions"] = [{"name": r, "count": 1, "users": []} for r in self.reactions]
        return body


def texts_in(part: object) -> list[str]:
    """Return every text of a block in reading order."""
    if isinstance(part, list):
        return [text for item in part for text in texts_in(item)]
    if not isinstance(part, dict):
        return []
    own = [part["text"]] if isinstance(part.get("text"), str) else []
    return own + [text for value in part.values() for text in texts_in(value)]


@dataclass(slots=True)
class Stream:
    """A message written by `chat.startStream`, `appendStream` and `stopStream`."""

    bot: Bot
    message: Message
    mode: str
    """`text` or `chunks`: a stream takes only what its first text came as."""
    started: float
    recipient: str | None = None
    deltas: list[str] = field(default_factory=list)
    """The texts that were appended, one per call that had any."""
    tasks: dict[str, Body] = field(default_factory=dict)
    """The latest state of each `task_update`, by its id."""
    open: bool = True

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self.deltas)


@dataclass(slots=True)
class Call:
    """One call of the Web API."""

    at: float
    """Seconds of `time.time`."""
    method: str
    bot: Bot | None
    args: Body
    http: str
    """GET or POST."""
    status: int = 0
    """0 where the connection was closed instead of answered."""
    error: str | None = None


@dataclass(slots=True)
class Channel:
    """A conversation; `kind` is channel, group, im or mpim."""

    id: str
    kind: str
    member: bool = True
    """Our bots are in it."""
    archived: bool = False
    user: str | None = None
    """The person, in a direct message."""


KINDS = {"C": "channel", "G": "group", "D": "im", "M": "mpim"}


@dataclass(slots=True)
class Ping:
    """A mention that is live in something a bot wrote."""

    channel: str
    ts: str
    mention: str
    where: str


def new_user(user: str, team: str) -> Body:
    """Return a person as `users.info` does."""
    return {
        "id": user,
        "team_id": team,
        "name": user.lower(),
        "real_name": f"Person {user}",
        "deleted": False,
        "tz": "Europe/Berlin",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "locale": "en-US",
        "is_admin": False,
        "is_owner": False,
        "is_bot": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_stranger": False,
        "profile": {
            "real_name": f"Person {user}",
            "display_name": user.lower(),
            "email": f"{user.lower()}@example.com",
            "team": team,
        },
    }
