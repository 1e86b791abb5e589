"""What an item means to us. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from bots.wecom.kf.items import Item, Origin
from core.messages import Address, Attachment, Message

CHANNEL = "wecom-kf"
FILES = {"image": "photo", "voice": "voice", "video": "video", "file": "document"}
TAKEN, TRANSFERRED, ENDED, REOPENED = 1, 2, 3, 4
"""What happened to a session in the WeCom client (`change_type`)."""
FAILURES = {
    0: "unknown",
    1: "account deleted",
    2: "app closed",
    4: "past 48 hours",
    5: "session closed",
    6: "over 5 messages",
    7: "no channel bound",
    8: "company not verified",
    9: "channel not verified",
    10: "customer refuses",
    11: "no member logged in",
    12: "message type forbidden",
}
"""Why a message that was taken did not arrive (`fail_type`)."""
_TICKET = re.compile(r"[0-9a-f]{24}/[0-9a-f]{16}/[+-]")


@dataclass(frozen=True, slots=True)
class Desk:
    """The kf accounts of one entry of the settings."""

    account: str
    corp: str

    def customer(self, open_kfid: str, user: str) -> "Customer":
        """A customer at one of them."""
        address = Address(CHANNEL, f"{self.account}/{open_kfid}", f"{self.corp}/{open_kfid}", user)
        return Customer(open_kfid, user, address)


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who writes to a kf account."""

    open_kfid: str
    user: str
    address: Address


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer wrote."""

    message: Message
    written_at: float
    vote: str = ""
    """The ticket of a thumb that was pressed."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A customer opened the chat; the code is good for 20 s, and empty if none is to be greeted."""

    code: str
    source: str
    at: float


@dataclass(frozen=True, slots=True)
class Served:
    """A servicer wrote to the customer."""

    text: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A servicer took the customer, passed the customer on, ended it or began again."""

    change: int
    code: str
    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that WeCom had taken did not arrive."""

    msgid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """A customer took a message back; it is here without content."""

    message: Message


Event = Asked | Entered | Served | Moved | Failed | Recalled


def customer_of(item: Item, open_kfid: str, desk: Desk) -> Customer | None:
    """Whom an item is about; None for what is about nobody, such as a servicer's shift."""
    user = item.external_userid or item.event.external_userid
    return desk.customer(open_kfid, user) if user else None


def understand(item: Item, customer: Customer, now: float) -> Event | None:
    """What an item means; None if nothing."""
    match item.origin:
        case Origin.CUSTOMER:
            return _asked(item, customer, now)
        case Origin.SERVICER:
            return Served(_words(item) or f"[{item.msgtype}]")
        case Origin.SYSTEM if item.msgtype == "event":
            return _event(item, customer, now)
    return None


def _asked(item: Item, customer: Customer, now: float) -> Asked | None:
    text, files = _words(item), _files(item)
    if not text and not files:
        return None
    message = Message(item.msgid, customer.address, text, now, attachments=files)
    pressed = item.text.menu_id
    vote = pressed if _TICKET.fullmatch(pressed) else ""
    return Asked(message, item.send_time or now, vote)


def _words(item: Item) -> str:
    match item.msgtype:
        case "text":
            return item.text.content.strip()
        case "location":
            place = item.location
            named = " ".join(filter(None, [place.name, place.address]))
            return f"[位置] {named or f'{place.latitude},{place.longitude}'}"
        case "link":
            link = item.link
            return "\n".join(filter(None, [link.title, link.desc, link.url]))
    return ""


def _files(item: Item) -> tuple[Attachment, ...]:
    if item.msgtype in ("text", "location", "link", "event"):
        return ()
    file = getattr(item, item.msgtype) if item.msgtype in FILES else None
    media = file.media_id if file else ""
    return (Attachment(media or item.msgtype, FILES.get(item.msgtype, "other")),)


def _event(item: Item, customer: Customer, now: float) -> Event | None:
    event = item.event
    match event.event_type:
        case "enter_session":
            source = ":".join(filter(None, [event.scene, unquote(event.scene_param)]))
            return Entered(event.welcome_code, source, item.send_time)
        case "session_status_change":
            return Moved(event.change_type, event.msg_code, item.send_time)
        case "msg_send_fail":
            return Failed(event.fail_msgid, FAILURES.get(event.fail_type, str(event.fail_type)))
        case "user_recall_msg":
            return Recalled(Message(event.recall_msgid, customer.address, "", now))
    return None
