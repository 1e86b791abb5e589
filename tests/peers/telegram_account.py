"""A bot's account at Telegram: who it is, what it may see, and the updates that go to it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from peers.telegram_chats import World
from peers.telegram_checks import read_entity
from peers.telegram_delivery import Lane, Outbox
from peers.telegram_wire import Body

CONTENT = {"text", "photo", "voice", "document", "sticker", "video"}
"""What tells a message from a service message."""
LANES = {
    "message": ("chat", "chat"),
    "edited_message": ("chat", "chat"),
    "channel_post": ("chat", "chat"),
    "edited_channel_post": ("chat", "chat"),
    "business_message": ("business", "chat"),
    "edited_business_message": ("business", "chat"),
    "deleted_business_messages": ("business", "chat"),
    "callback_query": ("press", "from"),
    "my_chat_member": ("member", "chat"),
    "business_connection": ("connection", "user"),
}
"""Updates of one lane and one owner keep their order: the lane, and whose id it is kept by."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that somebody sent to a bot."""

    path: str
    size: int
    """Bytes; may be said to be more than there are."""
    data: bytes


class Account:
    """One bot."""

    def __init__(self, token: str, user: Body, world: World, outbox: Outbox) -> None:
        self.token = token
        self.user = user
        """What `getMe` says."""
        self.outbox = outbox
        self.files: dict[str, File] = {}
        self.callbacks: set[str] = set()
        """Presses that were not answered yet; clear it to make them too old."""
        self.connections: dict[str, Body] = {}
        """Business connections by id."""
        self.commands: dict[tuple[str, str], list[Body]] = {}
        """Menus by scope (JSON) and language."""
        self.world = world
        self._update_ids = count(1000)
        self.numbers = count(1)
        self._held: list[Body] | None = None

    @property
    def id(self) -> int:
        """Return the number before the colon of the token."""
        return int(self.user["id"])

    @property
    def sender(self) -> Body:
        """Return how it is named in messages."""
        return {name: self.user[name] for name in ("id", "is_bot", "first_name", "username")}

    def push(self, kind: str, content: Body) -> Body:
        """Send an update of any kind, known or not."""
        update = {"update_id": next(self._update_ids), kind: content}
        if kind == "message" and not self._sees(content):
            self.outbox.unwanted.append(update)
        elif self._held is not None:
            self._held.append(update)
        else:
            self.deliver(update)
        return update

    def deliver(self, *updates: Body) -> None:
        """Send updates in this order: those that were held, or once more those that were not."""
        for update in updates:
            self.outbox.add(update, _lane(update))

    @contextmanager
    def holding(self) -> Iterator[list[Body]]:
        """Keep the updates of the block in a list instead of sending them."""
        self._held = []
        try:
            yield self._held
        finally:
            self._held = None

    def is_named(self, message: Body) -> bool:
        """Say whether a message in a group is meant for the bot: what privacy mode lets through."""
        if message.get("reply_to_message", {}).get("from", {}).get("id") == self.id:
            return True
        text = message.get("text") or message.get("caption", "")
        entities = message.get("entities") or message.get("caption_entities", [])
        return any(self._is_meant(entity, read_entity(text, entity)) for entity in entities)

    def _is_meant(self, entity: Body, part: str) -> bool:
        at_name = f"@{self.user['username']}".lower()
        if entity["type"] == "bot_command":
            return "@" not in part or part.lower().endswith(at_name)
        if entity["type"] == "text_mention":
            return bool(entity["user"]["id"] == self.id)
        return entity["type"] == "mention" and part.lower() == at_name

    def _sees(self, message: Body) -> bool:
        """Say whether a message reaches the bot; service messages always do."""
        if self.user["can_read_all_group_messages"]:
            return True
        if message["chat"]["type"] == "private" or not CONTENT & message.keys():
            return True
        return self.is_named(message)

    def keep(self, folder: str, ending: str, data: bytes, size: int | None = None) -> Body:
        """Store a file for `getFile`; the id holds for this bot alone."""
        number = next(self.numbers)
        file_id = f"{folder}-{self.id}-{number}"
        size = len(data) if size is None else size
        self.files[file_id] = File(f"{folder}/file_{number}.{ending}", size, data)
        unique = hashlib.sha256(data).hexdigest()[:16]
        return {"file_id": file_id, "file_unique_id": unique, "file_size": size}


def read_update(update: Body) -> tuple[str, Body]:
    """Return the kind of an update and what it is about."""
    return next((name, value) for name, value in update.items() if name != "update_id")


def _lane(update: Body) -> Lane:
    """Say which updates keep their order among each other."""
    kind, content = read_update(update)
    if kind in LANES:
        lane, owner = LANES[kind]
        if "id" in content.get(owner, {}):
            return lane, content[owner]["id"]
    return "alone", update["update_id"]
