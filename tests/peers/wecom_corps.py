"""A corp at WeCom: its apps with their members, its kf accounts, its media."""

from dataclasses import dataclass, field
from typing import Any

from peers.wecom_callbacks import Courier, Delivery, Endpoint, xml_of
from peers.wecom_kf_people import KfDesk
from peers.wecom_tokens import Secret, Tokens
from peers.wecom_wire import DAY, Body, Clock, Ids, RefusedError

MEDIA_SECONDS = 3 * DAY


@dataclass(frozen=True, slots=True)
class Media:
    """A file for three days, shared by all apps of the corp."""

    kind: str
    filename: str
    """As the receiver sees it."""
    data: bytes
    ends_at: float


@dataclass(frozen=True, slots=True)
class Sent:
    """An app's message that members were shown."""

    msgid: str
    at: float
    """Seconds of `time.monotonic`."""
    users: tuple[str, ...]
    msgtype: str
    content: Body

    @property
    def text(self) -> str:
        """What members read."""
        return str(self.content.get("content", ""))


class App:
    """A self-built app and what its members do with it; each verb returns the delivery."""

    def __init__(self, agent_id: int, secret: str, corp: "Corp", members: set[str]) -> None:
        self.id = agent_id
        self.secret = secret
        self.name = "客服助手"
        self.members = members
        """Userids in the visible range, in lower case."""
        self.sent: list[Sent] = []
        self.cards: dict[str, Sent] = {}
        """Interactive cards by the code that updates them once."""
        self.member_per_minute: int | None = None
        """Messages to one member in a minute; more are dropped without a word. WeCom's is 30."""
        self._corp = corp

    def texts(self, user: str) -> list[str]:
        """Return what a member was shown."""
        return [message.text for message in self.sent if user in message.users]

    def may_reach(self, user: str, now: float) -> bool:
        """Say whether a member is still shown a message sent now."""
        if self.member_per_minute is None:
            return True
        recent = [m for m in self.sent if user in m.users and m.at > now - 60]
        return len(recent) < self.member_per_minute

    def says(self, user: str, text: str, **more: Any) -> Delivery:
        """Let a member write."""
        return self.sends(user, "text", Content=text, **more)

    def sends(self, user: str, msgtype: str, **fields: Any) -> Delivery:
        """Let a member send a message of any type."""
        return self._bring(user, msgtype, {"MsgId": self._corp.ids.number()} | fields)

    def shares(self, user: str, msgtype: str, data: bytes, name: str, **fields: Any) -> Delivery:
        """Let a member send a picture, a voice message or a video."""
        media_id = self._corp.keep(msgtype, name, data)
        return self.sends(user, msgtype, MediaId=media_id, **fields)

    def happens(self, user: str, event: str, **fields: Any) -> Delivery:
        """Let an event happen: `subscribe`, `enter_agent`, `click`, ... It has no `MsgId`."""
        return self._bring(user, "event", {"Event": event} | fields)

    def enters(self, user: str) -> Delivery:
        """Let a member open the app."""
        return self.happens(user, "enter_agent", EventKey="")

    def message(self, user: str, text: str) -> Body:
        """Return what a member's message is brought as, without bringing it."""
        return self._fields(user, "text", {"MsgId": self._corp.ids.number(), "Content": text})

    def _bring(self, user: str, msgtype: str, fields: Body) -> Delivery:
        return self._corp.bring(self._fields(user, msgtype, fields))

    def _fields(self, user: str, msgtype: str, fields: Body) -> Body:
        return {
            "ToUserName": self._corp.id,
            "FromUserName": user,
            "CreateTime": int(self._corp.clock.now()),
            "MsgType": msgtype,
            "AgentID": self.id,
        } | fields


@dataclass
class Corp:
    """A company with its account at WeCom."""

    id: str
    endpoint: Endpoint
    """Where its app and its kf accounts bring their callbacks."""
    courier: Courier
    tokens: Tokens
    clock: Clock
    ids: Ids
    is_trusted: bool = True
    """The caller's address is among the trusted ones of the apps."""
    apps: dict[int, App] = field(default_factory=dict)
    kf: dict[str, KfDesk] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    profiles: dict[str, Body] = field(default_factory=dict)
    """What `customer/batchget` says more of a customer than the id."""
    answered: dict[str, tuple[float, Body]] = field(default_factory=dict)
    """Bodies that came with a duplicate check: until when they count, and the answer."""

    def app(
        self, agent_id: int, secret: str, members: set[str] | None = None, *, kf: bool = True
    ) -> App:
        """Make a self-built app; with `kf` it may call the API of the kf accounts."""
        self.apps[agent_id] = App(agent_id, secret, self, members or set())
        self.tokens.add(Secret(self.id, secret, agent_id, kf))
        return self.apps[agent_id]

    def kf_secret(self, secret: str) -> None:
        """Give an old corp the secret of the kf itself."""
        self.tokens.add(Secret(self.id, secret, 0, may_call_kf=True))

    def kf_account(self, open_kfid: str, *servicers: str) -> KfDesk:
        """Open a kf account with servicers who receive customers."""
        desk = KfDesk(open_kfid, self.id, self.clock, self.ids, self.bring)
        desk.servicers = dict.fromkeys(servicers, True)
        self.kf[open_kfid] = desk
        return desk

    def bring(self, fields: Body) -> Delivery:
        """Bring a callback to the company's address."""
        return self.courier.bring(self.endpoint, xml_of(fields))

    def keep(self, kind: str, filename: str, data: bytes) -> str:
        """Keep a file for three days; its id."""
        media_id = self.ids.new("MEDIA")
        self.media[media_id] = Media(kind, filename, data, self.clock.now() + MEDIA_SECONDS)
        return media_id

    def find_media(self, media_id: object) -> Media:
        """Return a file, or refuse an id that is nobody's or too old."""
        media = self.media.get(str(media_id))
        if media is None or media.ends_at < self.clock.now():
            raise RefusedError(40007, "invalid media_id")
        return media
