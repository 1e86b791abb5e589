"""What people do at Telegram that a bot hears of.

Each verb changes the chat, sends the bot an update and returns it as it goes over the wire.
"""

import time
from typing import Literal, TypedDict, Unpack

from peers.telegram_account import Account, read_update
from peers.telegram_chats import ANONYMOUS_ADMIN, Chat, Message
from peers.telegram_checks import find_entities, units
from peers.telegram_wire import Body


class Place(TypedDict, total=False):
    """Where and how somebody writes; the private chat with the bot unless told otherwise."""

    chat: int
    """Id of a group or channel; with `business`, of the customer, when the owner writes."""
    topic: int
    """Forum topic in the group."""
    reply_to: int
    """Id of a message in the same chat."""
    album: str
    """Media group that the photo belongs to."""
    business: str
    """Business connection through which the bot reads along."""
    sender: Literal["person", "bot", "anonymous"]
    language_code: str
    first_name: str
    username: str


class BotAccount(Account):
    """A bot with the people around it."""

    def says(
        self, user_id: int, text: str, *, text_mention: str = "", **place: Unpack[Place]
    ) -> Body:
        """Let somebody write a text; `text_mention` is the part of it that names the bot."""
        entities = find_entities(text)
        if text_mention:
            offset = units(text[: text.index(text_mention)])
            mention = {"type": "text_mention", "offset": offset, "length": units(text_mention)}
            entities.append(mention | {"user": self.sender})
        return self._write(user_id, {"text": text} | _some("entities", entities), place)

    def sends_photo(
        self, user_id: int, caption: str = "", data: bytes = b"JPEG", **place: Unpack[Place]
    ) -> Body:
        """Let somebody send a photo; an album is several with the same `album`."""
        small, large = (self.keep("photos", "jpg", data) for _ in range(2))
        sizes = [small | {"width": 90, "height": 67}, large | {"width": 1280, "height": 960}]
        return self._write(user_id, {"photo": sizes} | _caption(caption), place)

    def sends_voice(self, user_id: int, data: bytes = b"OggS", **place: Unpack[Place]) -> Body:
        """Let somebody send a voice message of three seconds."""
        voice = self.keep("voice", "oga", data) | {"duration": 3, "mime_type": "audio/ogg"}
        return self._write(user_id, {"voice": voice}, place)

    def sends_document(
        self,
        user_id: int,
        data: bytes,
        name: str = "notes.txt",
        mime_type: str = "text/plain",
        caption: str = "",
        size: int | None = None,
        **place: Unpack[Place],
    ) -> Body:
        """Let somebody send a file, said to have `size` bytes."""
        kept = self.keep("documents", name.rpartition(".")[2], data, size)
        document = kept | {"file_name": name, "mime_type": mime_type}
        return self._write(user_id, {"document": document} | _caption(caption), place)

    def sends(self, user_id: int, content: Body, **place: Unpack[Place]) -> Body:
        """Let somebody send any other content, a sticker or a service message, as it is."""
        return self._write(user_id, content, place)

    def edits(self, update: Body, text: str) -> Body:
        """Let somebody change the text of a message they sent before."""
        kind, old = read_update(update)
        scope = old.get("business_connection_id") or self.id
        chat = self.world.at(old["chat"]["id"], scope)
        if chat is None:
            raise LookupError("no such chat")
        message = chat.find(old["message_id"], "message to edit")
        changes = {"text": text, "entities": find_entities(text), "edit_date": int(time.time())}
        message.data = message.data | changes
        message.edits += 1
        return self.push(f"edited_{kind.removeprefix('edited_')}", message.data)

    def presses(
        self,
        user_id: int,
        message_id: int,
        button: str,
        *,
        stale: bool = False,
        inaccessible: bool = False,
        **place: Unpack[Place],
    ) -> Body:
        """Let somebody press a button under a message of the bot, named by its text or its data.

        A `stale` button was taken away meanwhile: `button` is the data the client remembers. The
        message of an `inaccessible` one is too old to be shown. `LookupError` if there is none.
        """
        chat = self._chat(user_id, place)
        pressed: Body = {
            "id": f"{self.id}{next(self.numbers):09}",
            "from": self._person(user_id, place),
        }
        pressed["chat_instance"] = str(abs(chat.id) * 7919)
        message = chat.messages.get(message_id)
        pressed["data"] = button if stale else _callback_data(message, button)
        if message is None or inaccessible:
            pressed["message"] = {"chat": chat.data, "message_id": message_id, "date": 0}
        else:
            pressed["message"] = message.data
        self.callbacks.add(pressed["id"])
        return self.push("callback_query", pressed)

    def blocks(self, user_id: int) -> Body:
        """Let a person block the bot; it cannot write to them any more."""
        chat = self.world.private(user_id, self.id)
        chat.refuses[self.id] = "bot was blocked by the user"
        return self._member(user_id, chat, "member", "kicked")

    def unblocks(self, user_id: int) -> Body:
        """Let a person take the bot back."""
        chat = self.world.private(user_id, self.id)
        chat.refuses.pop(self.id, None)
        return self._member(user_id, chat, "kicked", "member")

    def is_kicked(self, chat_id: int, by: int) -> Body:
        """Let somebody throw the bot out of a group."""
        chat = self.world.group(chat_id)
        chat.refuses[self.id] = f"bot was kicked from the {chat.data['type']} chat"
        return self._member(by, chat, "member", "kicked")

    def is_added(self, chat_id: int, by: int) -> Body:
        """Let somebody add the bot to a group."""
        chat = self.world.group(chat_id)
        chat.refuses.pop(self.id, None)
        return self._member(by, chat, "left", "member")

    def connects(
        self,
        owner_id: int,
        *,
        can_reply: bool = True,
        enabled: bool = True,
        connection: str = "",
    ) -> str:
        """Let a person connect the bot to their own account, or change that; return its id."""
        connection = connection or f"business{self.id}n{next(self.numbers)}"
        self.connections[connection] = {
            "id": connection,
            "user": self.world.person(owner_id),
            "user_chat_id": owner_id,
            "date": int(time.time()),
            "rights": {"can_reply": True} if can_reply else {},
            "is_enabled": enabled,
        }
        self.push("business_connection", self.connections[connection])
        return connection

    def deletes(self, connection: str, chat_id: int, *message_ids: int) -> Body:
        """Let messages of a business chat be deleted."""
        chat = self.world.private(chat_id, connection)
        for number in message_ids:
            chat.messages.pop(number, None)
        gone = {"business_connection_id": connection, "chat": chat.data}
        return self.push("deleted_business_messages", gone | {"message_ids": list(message_ids)})

    def migrates(self, chat_id: int, user_id: int) -> int:
        """Let a group become a supergroup, told by two messages; return its new id."""
        old, new_id = self.world.group(chat_id), -1_000_000_000_000 + chat_id
        self.world.group(new_id, old.data["title"])
        self.sends(user_id, {"migrate_to_chat_id": new_id}, chat=chat_id)
        self.sends(user_id, {"migrate_from_chat_id": chat_id}, chat=new_id)
        old.migrated_to = new_id
        return new_id

    def _write(self, user_id: int, content: Body, place: Place) -> Body:
        chat = self._chat(user_id, place)
        data = self._sender(user_id, chat, place) | content
        if topic := place.get("topic"):
            chat.topics.add(topic)
            data |= {"message_thread_id": topic, "is_topic_message": True}
        if album := place.get("album"):
            data["media_group_id"] = album
        if reply_to := place.get("reply_to"):
            replied = dict(chat.messages[reply_to].data)
            replied.pop("reply_to_message", None)
            data["reply_to_message"] = replied
        message = chat.put(data)
        if chat.data["type"] == "channel":
            return self.push("channel_post", message.data)
        return self.push("business_message" if chat.business else "message", message.data)

    def _chat(self, user_id: int, place: Place) -> Chat:
        person = self._person(user_id, place)
        if business := place.get("business"):
            return self.world.private(place.get("chat", user_id), business)
        chat_id = place.get("chat", user_id)
        if chat_id == user_id:
            return self.world.private(int(person["id"]), self.id)
        return self.world.group(chat_id)

    def _person(self, user_id: int, place: Place) -> Body:
        told = {n: place.get(n) for n in ("first_name", "username", "language_code")}
        return self.world.person(user_id, is_bot=place.get("sender") == "bot", **told)

    def _sender(self, user_id: int, chat: Chat, place: Place) -> Body:
        if chat.data["type"] == "channel":
            return {"sender_chat": chat.data}
        if place.get("sender") == "anonymous":
            return {"from": ANONYMOUS_ADMIN, "sender_chat": chat.data}
        return {"from": self.world.person(user_id)}

    def _member(self, user_id: int, chat: Chat, old: str, new: str) -> Body:
        states: list[Body] = [{"user": self.sender, "status": status} for status in (old, new)]
        for state in states:
            if state["status"] == "kicked":
                state["until_date"] = 0
        change = {"chat": chat.data, "from": self.world.person(user_id), "date": int(time.time())}
        change |= {"old_chat_member": states[0], "new_chat_member": states[1]}
        return self.push("my_chat_member", change)


def _some(name: str, entities: list[Body]) -> Body:
    return {name: entities} if entities else {}


def _caption(caption: str) -> Body:
    if not caption:
        return {}
    return {"caption": caption} | _some("caption_entities", find_entities(caption))


def _callback_data(message: Message | None, button: str) -> str:
    for candidate in message.buttons if message else []:
        if button in {candidate["text"], candidate.get("callback_data")}:
            return str(candidate["callback_data"])
    raise LookupError(f"no button {button!r} to press")
