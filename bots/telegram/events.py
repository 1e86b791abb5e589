"""Telegram's updates become messages and other facts. Pure.

A conversation is one person with one bot in one chat (and one topic of it); the bot's number and a
business connection are part of the chat's name. Message ids are unique within a chat alone, so the
chat's name is part of a message's id too; a message sent again in another update keeps it.
"""

import re
from dataclasses import dataclass, replace

from bots.telegram.updates import Deletion, Entity, File, Post, Press, Update
from core.messages import Address, Attachment, Message

CHANNEL = "telegram"
COMMANDS = frozenset({"start", "new", "human", "help"})
PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A deep link's (core.telegram.org/bots/features#deep-linking)."""
FILES = ("voice", "video", "document")
OTHERS = (
    "video_note",
    "audio",
    "sticker",
    "venue",
    "location",
    "contact",
    "poll",
    "dice",
    "game",
    "story",
    "checklist",
    "paid_media",
)
"""What comes without words and can be neither read nor passed over in silence."""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot as Telegram knows it."""

    id: int
    username: str
    reads_groups: bool = False
    """Whether it sees everything that is said in groups (privacy mode is off)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants an answer."""

    message: Message
    album: str = ""
    """Several pictures sent at once, each a message of its own."""
    is_silent: bool = False
    """It says nothing that another picture of its album does not."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody edited a message; `again` is the same as a new message."""

    message: Message
    again: Message


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Somebody deleted messages of a business chat; they are here without content."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A group became a supergroup."""

    old: int
    new: int


Event = Asked | Changed | Withdrawn | Moved | Press


def understand(update: Update, me: Me, account: str, now: float) -> Event | None:
    """What an update means to us; None if nothing. Connections are the account's own matter."""
    if update.callback_query:
        return update.callback_query
    if update.deleted_business_messages:
        return _withdrawn(update.deleted_business_messages, me, account, now)
    if edited := update.edited_message or update.edited_business_message:
        return _changed(edited, me, account, now)
    post = update.message or update.business_message
    return _asked(post, me, account, now) if post else None


def _asked(post: Post, me: Me, account: str, now: float) -> Asked | Moved | None:
    if post.migrate_to_chat_id:
        return Moved(post.chat.id, post.migrate_to_chat_id)
    if post.migrate_from_chat_id:
        return Moved(post.migrate_from_chat_id, post.chat.id)
    if not _is_customer(post) or not _is_meant(post, me):
        return None
    message = _message(post, me, account, now)
    if message is None:
        return None
    is_silent = not message.text and not any(f.kind == "document" for f in message.attachments)
    return Asked(message, post.media_group_id, is_silent)


def _changed(post: Post, me: Me, account: str, now: float) -> Changed | None:
    """Who it is meant for is not asked: only a message that waits for an answer is amended.

    Without a date nobody edited it: Telegram tells of a link's preview and the like too.
    """
    message = _message(post, me, account, now) if post.edit_date and _is_customer(post) else None
    if message is None:
        return None
    # Each edit is a message of its own if it must be answered anew.
    return Changed(message, replace(message, id=f"{message.id}/{post.edit_date}"))


def _withdrawn(deletion: Deletion, me: Me, account: str, now: float) -> Withdrawn:
    chat, business = deletion.chat, deletion.business_connection_id
    posts = (
        Post(message_id=number, chat=chat, business_connection_id=business)
        for number in deletion.message_ids
    )
    return Withdrawn(tuple(_bare(post, me, account, now) for post in posts))


def _is_customer(post: Post) -> bool:
    """Whether a person wrote it to be read by us; not a bot, a channel or the account's owner."""
    if post.chat.type == "channel" or post.is_automatic_forward:
        return False
    if post.business_connection_id:
        sender = post.sender
        return sender is not None and sender.id == post.chat.id and not sender.is_bot
    # Administrators who write as their group, and people who write as their channel, stand behind
    # a bot's name.
    return bool(post.sender_chat or (post.sender and not post.sender.is_bot))


def _is_meant(post: Post, me: Me) -> bool:
    if post.chat.type == "private":
        return True
    replied = post.reply_to_message
    if replied and replied.sender and replied.sender.id == me.id:
        return not _is_command_of_another(post, me)
    return any(_names(entity, _part(post, entity), me) for entity in _entities(post))


def _is_command_of_another(post: Post, me: Me) -> bool:
    first = next(iter(_entities(post)), None)
    if first is None or first.type != "bot_command" or first.offset:
        return False
    _, at, name = _part(post, first).partition("@")
    return bool(at) and name.lower() != me.username.lower()


def _names(entity: Entity, part: str, me: Me) -> bool:
    """Whether an entity calls the bot; `part` is the text under it."""
    match entity.type:
        case "mention":
            return part.lower() == f"@{me.username}".lower()
        case "text_mention":
            return entity.user is not None and entity.user.id == me.id
        case "bot_command":
            command, at, name = part.removeprefix("/").partition("@")
            if at:
                return name.lower() == me.username.lower()
            return entity.offset == 0 and command.lower() in COMMANDS
    return False


def _message(post: Post, me: Me, account: str, now: float) -> Message | None:
    """A message of what a person wrote; None if there is nothing in it, as in service messages."""
    attachments = _attachments(post)
    text = _words(post, me)
    if not text and not attachments:
        if not (post.text or post.caption):
            return None
        text = _replied_text(post, me) or "/help"  # it says the bot's name alone
    text, source = _without_payload(text)
    bare = _bare(post, me, account, now)
    return replace(bare, text=text, source=source, attachments=attachments)


def _bare(post: Post, me: Me, account: str, now: float) -> Message:
    """A message without its content."""
    chat = _chat_name(me, post.chat.id, post.business_connection_id)
    return Message(
        f"{chat}/{post.message_id}",
        Address(CHANNEL, account, chat, str(_author(post)), str(_topic(post) or "")),
        "",
        now,
        language=post.sender.language_code if post.sender else "",
        envelope=_envelope(post),
    )


def _chat_name(me: Me, chat: int, business: str) -> str:
    return ":".join(filter(None, [str(me.id), business, str(chat)]))


def _author(post: Post) -> int:
    if post.chat.type == "private":
        return post.chat.id
    speaker = post.sender_chat or post.sender
    return speaker.id if speaker else 0


def _topic(post: Post) -> int | None:
    """The topic; outside of topics a thread is a chain of replies and takes no messages."""
    return post.message_thread_id if post.is_topic_message else None


def _envelope(post: Post) -> dict[str, str]:
    fields = {
        "chat": str(post.chat.id),
        "message": str(post.message_id),
        "topic": str(_topic(post) or ""),
        "business": post.business_connection_id,
    }
    return {name: value for name, value in fields.items() if value}


def _attachments(post: Post) -> tuple[Attachment, ...]:
    if post.photo:
        return (_attachment("photo", post.photo[-1]),)  # the largest size comes last
    if post.animation:  # has a document beside it, for old clients
        return (Attachment("animation", "other"),)
    for kind in FILES:
        if file := getattr(post, kind):
            return (_attachment(kind, file),)
    return tuple(Attachment(kind, "other") for kind in OTHERS if getattr(post, kind))[:1]


def _attachment(kind: str, file: File) -> Attachment:
    return Attachment(file.file_id, kind, file.file_name, file.mime_type, file.file_size)


def _entities(post: Post) -> tuple[Entity, ...]:
    return tuple(post.entities if post.text else post.caption_entities)


def _part(post: Post, entity: Entity) -> str:
    data = (post.text or post.caption).encode("utf-16-le")
    part = data[2 * entity.offset : 2 * (entity.offset + entity.length)]
    return part.decode("utf-16-le", "replace")


def _words(post: Post, me: Me) -> str:
    """The text without the bot's name: `/help@our_bot` is `/help`, `@our_bot` goes."""
    data = (post.text or post.caption).encode("utf-16-le")
    for entity in reversed(_entities(post)):
        part = _part(post, entity)
        if not _names(entity, part, me):
            continue
        kept = part.partition("@")[0] if entity.type == "bot_command" else ""
        before, after = data[: 2 * entity.offset], data[2 * (entity.offset + entity.length) :]
        if not kept and before.endswith(b" \0") and after.startswith(b" \0"):
            after = after[2:]
        data = before + kept.encode("utf-16-le") + after
    return data.decode("utf-16-le", "replace").strip()


def _replied_text(post: Post, me: Me) -> str:
    """What somebody else said, to which the bot is called."""
    replied = post.reply_to_message
    if replied is None or (replied.sender and replied.sender.id == me.id):
        return ""
    return (replied.text or replied.caption).strip()


def _without_payload(text: str) -> tuple[str, str]:
    """A start command without its deep link's payload, and the payload."""
    command, _, payload = text.partition(" ")
    if command.lower() != "/start" or not payload:
        return text, ""
    return command, payload if PAYLOAD.fullmatch(payload) else ""
