"""What a member says to the company's own app becomes messages. Pure.

Field names are those of developer.work.weixin.qq.com/document/path/90239 (messages) and 90240
(events).
"""

import re
from dataclasses import dataclass, replace

from bots.wecom.fields import Fields
from core.messages import Address, Attachment, Message

CHANNEL = "wecom"
GREETING = "/start"
DAY_SECONDS = 86_400
FILES = {"image": "photo", "voice": "voice", "video": "video", "file": "document"}
ENTERING = {"subscribe", "enter_agent"}
PRESSES = {"click", "template_card_event"}
_TICKET = re.compile(r"[0-9a-f]{24}/[0-9a-f]{16}/[+-]")


@dataclass(frozen=True, slots=True)
class App:
    """The app that is spoken to."""

    account: str
    corp: str
    agent: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants an answer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody opened the app; the message asks for the greeting."""

    message: Message


@dataclass(frozen=True, slots=True)
class Voted:
    """Somebody pressed a thumb."""

    ticket: str
    voter: str


Event = Asked | Entered | Voted


def understand(fields: Fields, app: App, now: float) -> Event | None:
    """What a callback means to us; None if nothing."""
    if not fields.get("FromUserName") or fields.get("AgentID") != str(app.agent):
        return None
    if fields.get("MsgType") != "event":
        message = _message(fields, app, now)
        return Asked(message) if message else None
    kind = fields.get("Event", "").lower()
    if kind in ENTERING:
        return Entered(_entry(fields, app, now))
    pressed = fields.get("EventKey", "").strip()
    if kind not in PRESSES or not pressed:
        return None
    if _TICKET.fullmatch(pressed):
        return Voted(pressed, fields["FromUserName"])
    # A menu's key is what its press says (关键词), such as 转人工 or a question.
    return Asked(_bare(fields, app, now, text=pressed))


def _entry(fields: Fields, app: App, now: float) -> Message:
    """One a day for each: who is let in and opens the app is told of by two events at once."""
    day = f"{fields['FromUserName']}/{GREETING}/{int(now // DAY_SECONDS)}"
    return replace(_bare(fields, app, now, text=GREETING), id=day)


def _message(fields: Fields, app: App, now: float) -> Message | None:
    kind = fields.get("MsgType", "")
    match kind:
        case "text":
            text = fields.get("Content", "").strip()
            return _bare(fields, app, now, text=text) if text else None
        case "location":
            return _bare(fields, app, now, text=place_text(fields.get("Label", ""), fields))
        case "link":
            parts = (fields.get(name, "") for name in ("Title", "Description", "Url"))
            return _bare(fields, app, now, text="\n".join(filter(None, parts)))
    file = Attachment(
        fields.get("MediaId", "") or kind,
        FILES.get(kind, "other"),
        fields.get("FileName") or fields.get("Title", ""),
    )
    return _bare(fields, app, now, files=(file,))


def place_text(name: str, fields: Fields) -> str:
    """A place in words."""
    latitude, longitude = fields.get("Location_X", ""), fields.get("Location_Y", "")
    return f"[位置] {name or f'{latitude},{longitude}'}"


def _bare(
    fields: Fields, app: App, now: float, *, text: str = "", files: tuple[Attachment, ...] = ()
) -> Message:
    user = fields["FromUserName"]
    return Message(
        _id(fields),
        Address(CHANNEL, app.account, f"{app.corp}/{app.agent}", user),
        text,
        now,
        attachments=files,
        envelope={"user": user},
    )


def _id(fields: Fields) -> str:
    """Messages have a number, events none; what WeCom repeats keeps it."""
    if number := fields.get("MsgId"):
        return number
    names = ("FromUserName", "CreateTime", "Event", "EventKey", "TaskId")
    return "/".join(fields.get(name, "") for name in names)
