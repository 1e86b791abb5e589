"""The chats of Telegram, what stands in them, and who may write there.

A person's private chat with one bot is another chat than the one with a second bot, though both
have the person's id. Message ids rise within a chat and say nothing outside it.
"""

import time
from dataclasses import dataclass, field
from itertools import count

from peers.telegram_wire import Body, RefusedError, bad_request

ANONYMOUS_ADMIN: Body = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
"""The sender that Telegram names for administrators who write as the group."""


@dataclass(slots=True)
class Message:
    """A message as it stands in a chat now."""

    data: Body
    """The Bot API's Message object."""
    by: int | None
    """Id of the bot that sent it; None for those of people."""
    at: float
    """When it came; seconds of `time.monotonic`."""
    edits: int = 0
    """How often it was changed."""

    @property
    def id(self) -> int:
        """Return the number within the chat."""
        return int(self.data["message_id"])

    @property
    def text(self) -> str:
        """Return what it says."""
        return str(self.data.get("text", ""))

    @property
    def entities(self) -> list[Body]:
        """Return its formatting."""
        return list(self.data.get("entities", []))

    @property
    def buttons(self) -> list[Body]:
        """Return the buttons under it."""
        rows = self.data.get("reply_markup", {}).get("inline_keyboard", [])
        return [button for row in rows for button in row]


@dataclass(frozen=True, slots=True)
class Draft:
    """A preview of an answer that is still being written."""

    draft_id: int
    text: str
    at: float


@dataclass(slots=True)
class Chat:
    """One chat."""

    data: Body
    """The Bot API's Chat object."""
    messages: dict[int, Message] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    topics: set[int] = field(default_factory=set)
    refuses: dict[int, str] = field(default_factory=dict)
    """Why a bot may not write here, by the bot's id."""
    migrated_to: int | None = None
    business: str | None = None
    """The business connection it is seen through."""
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def id(self) -> int:
        """Return its id; a private chat has the person's."""
        return int(self.data["id"])

    @property
    def private(self) -> bool:
        """Say whether it is a chat with one person."""
        return bool(self.data["type"] == "private")

    def put(self, content: Body, by: int | None = None) -> Message:
        """Put a message into the chat."""
        number = next(self._ids)
        data = {"message_id": number, "date": int(time.time()), "chat": self.data, **content}
        if self.business:
            data["business_connection_id"] = self.business
        self.messages[number] = Message(data, by, time.monotonic())
        return self.messages[number]

    def check_open(self, bot_id: int) -> None:
        """Refuse a bot that may not write here."""
        if self.migrated_to is not None:
            raise RefusedError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=self.migrated_to,
            )
        if bot_id in self.refuses:
            raise RefusedError(403, f"Forbidden: {self.refuses[bot_id]}")

    def find(self, number: object, purpose: str) -> Message:
        """Return a message; `purpose` is Telegram's word for what it is looked up for."""
        if not number:
            raise bad_request("message identifier is not specified")
        if not isinstance(number, int) or number not in self.messages:
            raise bad_request(f"{purpose} not found")
        return self.messages[number]


@dataclass(slots=True)
class World:
    """All people and chats."""

    people: dict[int, Body] = field(default_factory=dict)
    chats: dict[tuple[object, int], Chat] = field(default_factory=dict)

    def person(self, user_id: int, **details: object) -> Body:
        """Return a person, made known or changed with what is told about them."""
        known = self.people.get(user_id) or {
            "id": user_id,
            "is_bot": False,
            "first_name": f"Customer {user_id}",
        }
        self.people[user_id] = known | {name: value for name, value in details.items() if value}
        return self.people[user_id]

    def private(self, user_id: int, scope: object) -> Chat:
        """Return a person's chat with a bot (its id) or through a business connection (its id)."""
        key = (scope, user_id)
        if key not in self.chats:
            name = self.person(user_id)["first_name"]
            data = {"id": user_id, "type": "private", "first_name": name}
            self.chats[key] = Chat(data, business=scope if isinstance(scope, str) else None)
        return self.chats[key]

    def group(self, chat_id: int, title: str = "", kind: str = "", *, forum: bool = False) -> Chat:
        """Return a group, supergroup or channel; unless told, the id says which of the first two.

        Supergroups and channels have ids below -1,000,000,000,000.
        """
        key = (None, chat_id)
        if key not in self.chats:
            kind = kind or ("supergroup" if chat_id < -1_000_000_000_000 else "group")
            data = {"id": chat_id, "type": kind, "title": title or f"Group {chat_id}"}
            self.chats[key] = Chat(data | ({"is_forum": True} if forum else {}))
        return self.chats[key]

    def find(self, bot_id: int, chat_id: object) -> Chat:
        """Return a chat that a bot knows."""
        if chat_id in {None, ""}:
            raise bad_request("chat_id is empty")
        chat = self.at(chat_id, bot_id)
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def at(self, chat_id: object, scope: object) -> Chat | None:
        """Return the chat with an id that a bot (its id) or a business connection (its id) sees."""
        if not isinstance(chat_id, int):
            return None
        return self.chats.get((scope, chat_id)) or self.chats.get((None, chat_id))

    def seen(self, chat_id: int, scope: object = None) -> list[Chat]:
        """Return the chats with an id, all of them or those in a scope; looks at every chat."""
        chats = [(key[0], chat) for key, chat in self.chats.items() if key[1] == chat_id]
        return [chat for held_by, chat in chats if scope in {None, held_by} or held_by is None]
