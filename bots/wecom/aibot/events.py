"""What is said to the AI bot becomes messages. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bots.wecom.aibot.payload import MOST_CHARACTERS, Content, Event, File, Payload
from core.messages import Address, Attachment, Message
from core.turn import command_of

CHANNEL = "wecom-aibot"
ASK = "ask/"
"""Begins the key of a menu's button; the question follows."""
STREAM, RESPONSE_URL, CHAT = "stream", "response_url", "chat"
"""What a message's envelope may hold: the answer's stream, where one more message can be posted,
and who is written to over a socket."""

_SPACE = r"[\s\u2005]"
_MENTION = re.compile(rf"^{_SPACE}*@\S+?(?:{_SPACE}+|$)|(?<!\S)@\S+{_SPACE}*$")
_VOTES = {1: "+", 2: "-"}
_KINDS = {"image": "photo", "file": "document", "video": "video"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants an answer, which grows in a stream."""

    message: Message


@dataclass(frozen=True, slots=True)
class Chosen:
    """Somebody pressed a question of the menu; its answer cannot stream."""

    message: Message


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody opened the chat with the bot for the first time that day."""

    address: Address
    id: str


@dataclass(frozen=True, slots=True)
class Looked:
    """WeCom wants to see an answer again."""

    address: Address
    stream: str


@dataclass(frozen=True, slots=True)
class Voted:
    """Somebody pressed a thumb."""

    ticket: str
    voter: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another connection took the place of ours."""


Understood = Asked | Chosen | Entered | Looked | Voted | Replaced


def understand(payload: Payload, account: str, now: float) -> Understood | None:
    """What a callback means to us; None if nothing."""
    if payload.event and payload.event.eventtype == "disconnected_event":
        return Replaced()
    if payload.sender is None:
        return None
    address = _address(payload, account)
    if payload.event:
        return _happened(payload, payload.event, address, now)
    if payload.stream and payload.msgtype == "stream":
        return Looked(address, payload.stream.id)
    message = _message(payload, address, now)
    return Asked(message) if message else None


def stream_of(message: Message) -> str:
    """The id of the stream that the answer to a message is kept as, whether it is shown or not."""
    return message.envelope.get(STREAM) or message.digest


def feedback_id(message: Message) -> str:
    """By what a vote on the answer to a message knows it; 41 of 256 bytes."""
    return f"{message.address.key}/{message.digest[:16]}"


def _address(payload: Payload, account: str) -> Address:
    chat = "/".join(filter(None, [payload.aibotid, _group(payload)]))
    return Address(CHANNEL, account, chat, payload.sender.userid if payload.sender else "")


def _group(payload: Payload) -> str:
    return payload.chatid if payload.chattype == "group" else ""


def _happened(payload: Payload, event: Event, address: Address, now: float) -> Understood | None:
    match event.eventtype:
        case "enter_chat":
            return Entered(address, payload.msgid)
        case "feedback_event" if event.feedback_event:
            sign = _VOTES.get(event.feedback_event.type, "")
            return Voted(f"{event.feedback_event.id}/{sign}", address.user) if sign else None
        case "template_card_event" if event.template_card_event:
            key = event.template_card_event.event_key
            if key.startswith(ASK) and key != ASK:
                return Chosen(_bare(payload, address, now, key.removeprefix(ASK), streams=False))
    return None


def _message(payload: Payload, address: Address, now: float) -> Message | None:
    """A message of what a person wrote; None if there is nothing in it."""
    text, files = _text(payload), tuple(_files(payload))
    if _group(payload):
        text = _MENTION.sub("", text, count=1).strip()
    quoted = _text(payload.quote) if payload.quote else ""
    if quoted and not (text or files):
        text = quoted
    elif quoted and not command_of(text):
        text = "\n".join(f"> {line}" for line in quoted.splitlines()) + f"\n\n{text}"
    if not text and not files:
        if payload.msgtype in ("text", "voice", "mixed") and not _group(payload):
            return None
        if payload.msgtype == "text":
            text = "/help"  # it says the bot's name alone
        else:
            files = ((Attachment(payload.msgtype, "other"), File()),)
    return _bare(payload, address, now, text[:MOST_CHARACTERS], files)


def _bare(
    payload: Payload,
    address: Address,
    now: float,
    text: str,
    files: tuple[tuple[Attachment, File], ...] = (),
    *,
    streams: bool = True,
) -> Message:
    message = Message(
        payload.msgid, address, text, now, attachments=tuple(file for file, _ in files)
    )
    fields = {
        STREAM: message.digest if streams else "",
        RESPONSE_URL: payload.response_url,
        CHAT: _group(payload) or address.user,
    }
    for file, place in files:
        fields |= {f"url/{file.id}": place.url, f"key/{file.id}": place.aeskey}
    message.envelope.update({name: value for name, value in fields.items() if value})
    return message


def _text(content: Content) -> str:
    """Words, those of a voice message too, and of all parts of a mixed one."""
    parts = content.mixed.msg_item if content.mixed else ()
    said = (content.text or content.voice, *(part.text for part in parts))
    return "\n".join(filter(None, (words.content.strip() for words in said if words)))


def _files(content: Content) -> Iterator[tuple[Attachment, File]]:
    """The files with where they lie, numbered: WeCom gives them no ids."""
    for number, part in enumerate((content, *(content.mixed.msg_item if content.mixed else ()))):
        for kind, ours in _KINDS.items():
            place: File | None = getattr(part, kind)
            if place and place.url:
                yield Attachment(f"{number}/{kind}", ours, place.filename), place
