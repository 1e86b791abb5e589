"""The methods of the Bot API that a customer service bot needs, with the checks of each.

Others are answered as Telegram answers unknown ones. One departure: a webhook may be plain HTTP
and at any port.
"""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from peers.telegram_account import Account
from peers.telegram_chats import World
from peers.telegram_checks import check_commands
from peers.telegram_delivery import Webhook
from peers.telegram_sending import (
    delete_message,
    edit_message_reply_markup,
    edit_message_text,
    find_connection,
    send_chat_action,
    send_message,
    send_message_draft,
)
from peers.telegram_wire import Body, RefusedError, bad_request

Method = Callable[[World, Account, Body], Awaitable[Any]]

MAX_DOWNLOAD = 20 * 1024 * 1024
"""Bytes; larger files come only through a server of one's own."""
MAX_CALLBACK_ANSWER = 200
"""Characters."""
SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}\Z")


async def get_me(_world: World, bot: Account, _parameters: Body) -> Body:
    """Say who the bot is."""
    return bot.user


async def get_updates(_world: World, bot: Account, parameters: Body) -> list[Body]:
    """Confirm the updates below `offset` and return further ones; wait up to `timeout` seconds."""
    bot.outbox.ask_for(parameters.get("allowed_updates"))
    return await bot.outbox.poll(
        parameters.get("offset", 0), parameters.get("limit", 100), parameters.get("timeout", 0)
    )


async def set_webhook(_world: World, bot: Account, parameters: Body) -> bool:
    """Have updates posted to a URL; an empty one is the end of that."""
    url = str(parameters.get("url", ""))
    if not url:
        return await delete_webhook(_world, bot, parameters)
    if not url.startswith(("https://", "http://")):
        raise bad_request("invalid webhook URL specified")
    secret = str(parameters.get("secret_token", ""))
    if not SECRET.match(secret):
        raise bad_request("secret token contains unallowed characters")
    if parameters.get("drop_pending_updates"):
        bot.outbox.drop()
    bot.outbox.ask_for(parameters.get("allowed_updates"))
    connections = min(max(parameters.get("max_connections", 40), 1), 100)
    bot.outbox.set_webhook(Webhook(url, secret, connections))
    return True


async def delete_webhook(_world: World, bot: Account, parameters: Body) -> bool:
    """Keep updates for polling from now on."""
    if parameters.get("drop_pending_updates"):
        bot.outbox.drop()
    bot.outbox.set_webhook(None)
    return True


async def get_webhook_info(_world: World, bot: Account, _parameters: Body) -> Body:
    """Say where updates go, how many wait, and what last went wrong."""
    outbox = bot.outbox
    info: Body = {
        "url": outbox.webhook.url if outbox.webhook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(outbox.pending),
    }
    if outbox.webhook:
        info["max_connections"] = outbox.webhook.max_connections
    if outbox.allowed:
        info["allowed_updates"] = sorted(outbox.allowed)
    if outbox.last_error:
        info["last_error_date"], info["last_error_message"] = outbox.last_error
    return info


async def answer_callback_query(_world: World, bot: Account, parameters: Body) -> bool:
    """End the waiting sign on a pressed button; once, and only while it is fresh."""
    if len(str(parameters.get("text", ""))) > MAX_CALLBACK_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    if parameters.get("callback_query_id") not in bot.callbacks:
        reason = "query is too old and response timeout expired or query ID is invalid"
        raise bad_request(reason)
    bot.callbacks.remove(parameters["callback_query_id"])
    return True


async def set_my_commands(_world: World, bot: Account, parameters: Body) -> bool:
    """Set the menu for a scope and a language of two letters."""
    bot.commands[_menu(parameters)] = check_commands(parameters.get("commands"))
    return True


async def get_my_commands(_world: World, bot: Account, parameters: Body) -> list[Body]:
    """Return the menu that was set for exactly this scope and language."""
    return bot.commands.get(_menu(parameters), [])


async def delete_my_commands(_world: World, bot: Account, parameters: Body) -> bool:
    """Take a menu away."""
    bot.commands.pop(_menu(parameters), None)
    return True


async def take_note(_world: World, _bot: Account, _parameters: Body) -> bool:
    """Accept what nobody here looks at: the bot's description and name."""
    return True


async def get_file(_world: World, bot: Account, parameters: Body) -> Body:
    """Say where a file lies; the address holds the token once it is complete."""
    file_id = parameters.get("file_id", "")
    file = bot.files.get(file_id)
    if file is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if file.size > MAX_DOWNLOAD:
        raise bad_request("file is too big")
    found = {"file_id": file_id, "file_unique_id": file_id, "file_path": file.path}
    return found | {"file_size": file.size}


async def get_chat(world: World, bot: Account, parameters: Body) -> Body:
    """Describe a chat."""
    chat = world.find(bot.id, parameters.get("chat_id"))
    return chat.data | {"accent_color_id": 0, "max_reaction_count": 11}


async def get_business_connection(_world: World, bot: Account, parameters: Body) -> Body:
    """Describe a business connection."""
    return find_connection(bot, parameters.get("business_connection_id"))


def _menu(parameters: Body) -> tuple[str, str]:
    language = str(parameters.get("language_code", ""))
    if language and not re.fullmatch("[a-z]{2}", language):
        raise bad_request("invalid language code specified")
    scope = parameters.get("scope") or {"type": "default"}
    return json.dumps(scope, sort_keys=True), language


METHODS: dict[str, Method] = {
    "getMe": get_me,
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "sendMessage": send_message,
    "sendMessageDraft": send_message_draft,
    "editMessageText": edit_message_text,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "sendChatAction": send_chat_action,
    "answerCallbackQuery": answer_callback_query,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setMyDescription": take_note,
    "setMyShortDescription": take_note,
    "setMyName": take_note,
    "getFile": get_file,
    "getChat": get_chat,
    "getBusinessConnection": get_business_connection,
}
SPELLINGS = {name.lower(): name for name in METHODS}
"""Method names do not mind capitals."""


def find_method(name: str) -> tuple[str, Method]:
    """Return a method with its proper name."""
    if name.lower() not in SPELLINGS:
        raise RefusedError(404, "Not Found: method not found")
    proper = SPELLINGS[name.lower()]
    return proper, METHODS[proper]
