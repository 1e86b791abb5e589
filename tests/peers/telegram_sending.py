"""The methods that write into chats, and who may write where.

One departure: Telegram finds links and mentions in what a bot writes by itself; here the bot's
messages have only the entities it sends.
"""

import time

from peers.telegram_account import Account
from peers.telegram_chats import Chat, Draft, Message, World
from peers.telegram_checks import check_markup, check_text
from peers.telegram_wire import Body, bad_request

ACTIONS = {
    *("typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice"),
    *("upload_document", "choose_sticker", "find_location", "record_video_note"),
    "upload_video_note",
}
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)


async def send_message(world: World, bot: Account, parameters: Body) -> Body:
    """Put a message into a chat."""
    content = _content(parameters)
    chat = _open_chat(world, bot, parameters)
    content |= _topic(chat, parameters)
    content |= _reply(chat, parameters.get("reply_parameters") or {})
    return chat.put({"from": _sender(bot, chat)} | content, by=bot.id).data


async def send_message_draft(world: World, bot: Account, parameters: Body) -> bool:
    """Show a person for 30 seconds what is being written."""
    text, _ = check_text(parameters, may_be_empty=True)
    draft_id = parameters.get("draft_id")
    chat = _open_chat(world, bot, parameters)
    if not isinstance(draft_id, int) or draft_id == 0:
        raise bad_request("TEXTDRAFT_ID_INVALID")
    if not chat.private:
        raise bad_request("TEXTDRAFT_PEER_INVALID")
    _topic(chat, parameters)
    chat.drafts.append(Draft(draft_id, text, time.monotonic()))
    return True


async def edit_message_text(world: World, bot: Account, parameters: Body) -> Body:
    """Change the text of a message of the bot's; buttons that are not sent again go away."""
    content = _content(parameters)
    return _edit(_own_message(world, bot, parameters), content)


async def edit_message_reply_markup(world: World, bot: Account, parameters: Body) -> Body:
    """Change or take away the buttons under a message of the bot's."""
    markup = check_markup(parameters.get("reply_markup"))
    message = _own_message(world, bot, parameters)
    kept = {name: message.data[name] for name in ("text", "entities") if name in message.data}
    return _edit(message, kept | ({"reply_markup": markup} if markup else {}))


async def delete_message(world: World, bot: Account, parameters: Body) -> bool:
    """Take a message out of its chat: one of the bot's, in a private chat with it any."""
    chat = _open_chat(world, bot, parameters)
    message = chat.find(parameters.get("message_id"), "message to delete")
    if message.by != bot.id and not chat.private:
        raise bad_request("message can't be deleted")
    del chat.messages[message.id]
    return True


async def send_chat_action(world: World, bot: Account, parameters: Body) -> bool:
    """Show for five seconds that the bot is doing something."""
    if str(parameters.get("action", "")).lower() not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    _topic(_open_chat(world, bot, parameters), parameters)
    return True


def find_connection(bot: Account, business: object) -> Body:
    """Return a business connection of a bot."""
    if business not in bot.connections:
        raise bad_request("business connection not found")
    return bot.connections[str(business)]


def _content(parameters: Body) -> Body:
    text, entities = check_text(parameters)
    markup = check_markup(parameters.get("reply_markup"))
    content: Body = {"text": text}
    if entities:
        content["entities"] = entities
    if markup:
        content["reply_markup"] = markup
    return content


def _open_chat(world: World, bot: Account, parameters: Body) -> Chat:
    """Return the chat that is meant, if the bot may write there."""
    if business := parameters.get("business_connection_id"):
        return _business_chat(world, bot, str(business), parameters.get("chat_id"))
    chat = world.find(bot.id, parameters.get("chat_id"))
    chat.check_open(bot.id)
    return chat


def _business_chat(world: World, bot: Account, business: str, chat_id: object) -> Chat:
    connection = find_connection(bot, business)
    if not connection["is_enabled"]:
        raise bad_request("BUSINESS_CONNECTION_INVALID")
    if not connection["rights"].get("can_reply"):
        raise bad_request("BUSINESS_PEER_INVALID")
    chat = world.chats.get((business, chat_id)) if isinstance(chat_id, int) else None
    if chat is None:
        # Only chats in which the customer wrote within the last 24 hours are open.
        raise bad_request("BUSINESS_PEER_USAGE_MISSING")
    return chat


def _sender(bot: Account, chat: Chat) -> Body:
    """Name the sender: in a business chat the owner, and the bot only on the side."""
    if chat.business:
        user: Body = bot.connections[chat.business]["user"]
        return user
    return bot.sender


def _topic(chat: Chat, parameters: Body) -> Body:
    topic = parameters.get("message_thread_id")
    if not topic:
        return {}
    if topic not in chat.topics:
        raise bad_request("message thread not found")
    return {"message_thread_id": topic, "is_topic_message": True}


def _reply(chat: Chat, reply: Body) -> Body:
    number = reply.get("message_id")
    if not number:
        return {}
    if number not in chat.messages:
        if reply.get("allow_sending_without_reply"):
            return {}
        raise bad_request("message to be replied not found")
    replied = dict(chat.messages[number].data)
    replied.pop("reply_to_message", None)
    return {"reply_to_message": replied}


def _own_message(world: World, bot: Account, parameters: Body) -> Message:
    chat = _open_chat(world, bot, parameters)
    message = chat.find(parameters.get("message_id"), "message to edit")
    if message.by != bot.id:
        raise bad_request("message can't be edited")
    return message


def _edit(message: Message, content: Body) -> Body:
    changeable = ("text", "entities", "reply_markup")
    if all(message.data.get(name) == content.get(name) for name in changeable):
        raise bad_request(NOT_MODIFIED)
    rest = {name: value for name, value in message.data.items() if name not in changeable}
    message.data = rest | content | {"edit_date": int(time.time())}
    message.edits += 1
    return message.data
