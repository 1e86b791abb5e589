"""What Telegram checks before it takes a text, its entities or its buttons.

Where they are known, the sentences are those of Telegram's own server
(github.com/tdlib/telegram-bot-api, `Client.cpp`) and of the library below it
(github.com/tdlib/td, `MessageEntity.cpp`). Not modelled: `parse_mode`
(refused as unsupported), control characters being cleaned away, and the mending of entities that
cross each other.
"""

import re
from typing import Any

from peers.telegram_wire import Body, bad_request

MAX_TEXT = 4096
"""UTF-16 code units of a message, after trimming."""
MAX_RAW_TEXT = 32_768
"""Bytes of a text as sent."""
MAX_ENTITIES = 100
"""Further entities of a message are dropped without a word."""
MAX_ENTITY_BYTES = 9500
"""About; Telegram's developers call it a good approximation (telegram-bot-api issue 165)."""
MAX_CALLBACK_DATA = 64
"""Bytes."""
MAX_BUTTONS = 100
MAX_COMMANDS = 100
LINK = re.compile(r"(?:tg:\S+|(?:(?:https?|ftp|tonsite)://)?[^\s/:]+\.[^\s/]+.*)\Z", re.IGNORECASE)
COMMAND = re.compile(r"[a-z0-9_]{1,32}\Z")
ENTITIES = {
    *("mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"),
    *("bold", "italic", "underline", "strikethrough", "spoiler", "code", "pre"),
    *("blockquote", "expandable_blockquote", "text_link", "text_mention"),
    *("custom_emoji", "date_time"),
}
FOUND = re.compile(
    r"(?P<mention>(?<!\w)@[A-Za-z0-9_]{2,32}(?!\w))"
    r"|(?P<bot_command>(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>]))"
    r"|(?P<url>https?://[^\s<>]+)"
)


def units(text: str) -> int:
    """Count UTF-16 code units: most characters are one, an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def read_entity(text: str, entity: Body) -> str:
    """Return the part of a text that an entity covers."""
    start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
    return text.encode("utf-16-le")[start:end].decode("utf-16-le")


def find_entities(text: str) -> list[Body]:
    """Find what Telegram finds by itself: mentions, commands and links.

    A mention or a command that touches a letter is none, and Chinese characters are letters.
    """
    return [
        {"type": m.lastgroup, "offset": units(text[: m.start()]), "length": units(m.group())}
        for m in FOUND.finditer(text)
    ]


def check_text(parameters: Body, *, may_be_empty: bool = False) -> tuple[str, list[Body]]:
    """Return a text and its entities as they will be shown.

    Spaces and line breaks at the end go away, and those before the first entity too.
    """
    text = str(parameters.get("text") or "")
    if len(text.encode()) > MAX_RAW_TEXT:
        raise bad_request("text is too long")
    if parameters.get("parse_mode"):
        raise bad_request("unsupported parse_mode")
    entities = check_entities(text, parameters.get("entities"))
    text, entities = _trim(text, entities)
    if not text and not may_be_empty:
        raise bad_request("message text is empty")
    if units(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return text, entities


def check_entities(text: str, given: Any) -> list[Body]:
    """Return the entities that count, in order."""
    if not isinstance(given, list):
        return []
    entities = sorted((_check_entity(entity) for entity in given), key=lambda e: e["offset"])
    if entities:
        _check_borders(text, entities)
    kept = [e for e in entities if e["type"] != "text_link" or LINK.match(e["url"])]
    if sum(12 + len(str(e.get("url", "")).encode()) for e in kept) > MAX_ENTITY_BYTES:
        raise bad_request("ENTITIES_TOO_LONG")
    return kept[:MAX_ENTITIES]


def _check_entity(entity: Any) -> Body:
    if not isinstance(entity, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    for name in ("offset", "length"):
        if not isinstance(entity.get(name), int):
            raise bad_request(f"can't parse MessageEntity: can't find field {name!r}")
        if not 0 <= entity[name] <= 1_000_000:
            raise bad_request(f"receive an entity with incorrect {name} {entity[name]}")
    if entity.get("type") not in ENTITIES:
        raise bad_request("can't parse MessageEntity: unsupported type specified")
    if entity["type"] == "text_link" and not entity.get("url"):
        raise bad_request("can't parse MessageEntity: can't find field 'url'")
    return entity


def _check_borders(text: str, entities: list[Body]) -> None:
    """Refuse an entity that begins or ends outside the text or inside a character."""
    borders, at = {0}, 0
    for character in text:
        at += 1 + (character > "\uffff")
        borders.add(at)
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start > at:
            raise bad_request(f"entity begins after the end of the text at UTF-16 offset {start}")
        if end > at:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text "
                f"at UTF-16 offset {end}"
            )
        if start not in borders:
            raise bad_request(f"entity begins in a middle of a UTF-16 symbol at offset {start}")
        if end not in borders:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol"
            )


def _trim(text: str, entities: list[Body]) -> tuple[str, list[Body]]:
    text = text.rstrip(" \n")
    first = entities[0]["offset"] if entities else units(text)
    blank = min(len(text) - len(text.lstrip(" \n")), first)
    text = text[blank:]
    end = units(text)
    kept = []
    for entity in entities:
        start = entity["offset"] - blank
        length = min(entity["length"], end - start)
        if length > 0:
            kept.append({**entity, "offset": start, "length": length})
    return text, kept


def check_markup(markup: Any) -> Body | None:
    """Return the buttons under a message, if there are any."""
    if not markup:
        return None
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request("can't parse inline keyboard: object expected as reply markup")
    buttons = [button for row in rows for button in row]
    if len(buttons) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    for button in buttons:
        _check_button(button)
    return {"inline_keyboard": [row for row in rows if row]} if buttons else None


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or not button.get("text"):
        raise bad_request("can't parse inline keyboard button: field 'text' must be of type String")
    if "url" in button:
        if not LINK.match(str(button["url"])):
            raise bad_request("BUTTON_URL_INVALID")
    elif "callback_data" not in button:
        raise bad_request("text buttons are unallowed in the inline keyboard")
    elif not 1 <= len(str(button["callback_data"]).encode()) <= MAX_CALLBACK_DATA:
        raise bad_request("BUTTON_DATA_INVALID")


def check_commands(commands: Any) -> list[Body]:
    """Return the commands of a bot's menu."""
    if not isinstance(commands, list):
        raise bad_request("expected an Array of BotCommand")
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not COMMAND.match(str(command.get("command", "")).removeprefix("/")):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return commands
