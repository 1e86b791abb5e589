"""What Slack's payloads hold: objects, ids and the words of a person. Pure.

Payloads are taken for nothing but what they turn out to be.

On the wire `&`, `<` and `>` of the writer are escaped, and what stands between real `<` and `>` is
an entity (https://docs.slack.dev/messaging/formatting-message-text). Some messages have their words
in `blocks` only; those are brought into the same form first.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

_ID = re.compile(r"[A-Z0-9]{1,40}")
_TS = re.compile(r"\d{1,20}\.\d{1,10}")
_OBJECTS = ("event", "view", "message", "previous_message", "item", "assistant_thread", "bot")
_WORDS = ("type", "command", "ssl_check", "callback_id", "action_id")
_NAMED = ("team", "user", "channel", "enterprise")
"""Either an id or an object that has one."""
_LISTS = ("authorizations", "actions", "response_urls")
_DEEPEST = 4
MOST_BLOCKS_DEEP = 6
ENTITY = re.compile(r"<([^<>\n]{1,3000})>")
PERSON = re.compile(r"<@([UW][A-Z0-9]{1,30})(?:\|[^<>]*)?>")
_ELEMENTS = {
    "user": ("user_id", "<@{}>"),
    "channel": ("channel_id", "<#{}>"),
    "broadcast": ("range", "<!{}>"),
    "link": ("url", "<{}>"),
    "emoji": ("name", ":{}:"),
    "date": ("fallback", "{}"),
}
"""The field of each kind of rich text that tells, and how it stands on the wire."""
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters and lone surrogates, which JSON can smuggle in."""


def at(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside of another; empty where it is none."""
    inside = body.get(name)
    return inside if isinstance(inside, dict) else {}


def identifier(value: object) -> str:
    """An id of a person, a channel or a team; empty for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def timestamp(value: object) -> str:
    """The `ts` of a message; empty for anything else."""
    return value if isinstance(value, str) and _TS.fullmatch(value) else ""


def is_sound(body: object, depth: int = 0) -> TypeGuard[dict[str, Any]]:
    """Whether what slack-bolt 1.30 takes for objects, names and lists is that.

    It looks into a payload before any listener does, and falls over other shapes.
    """
    if not isinstance(body, dict) or depth > _DEEPEST:
        return False
    if not all(isinstance(body.get(name), str | None) for name in _WORDS):
        return False
    if not all(isinstance(body.get(name), dict | str | None) for name in _NAMED):
        return False
    below = [body[name] for name in _OBJECTS if body.get(name) is not None]
    for name in _LISTS:
        entries = body.get(name)
        if entries is not None and not isinstance(entries, list):
            return False
        below += entries or []
    if not _is_whole(body):
        return False
    return all(is_sound(inside, depth + 1) for inside in below)


def _is_whole(body: dict[str, Any]) -> bool:
    """Whether it has what its type promises."""
    kind = body.get("type")
    if "event" in body:
        return isinstance(at(body, "event").get("type"), str)
    if kind == "block_actions":
        actions = body.get("actions") or [None]
        return isinstance(actions[0], dict) and "action_id" in actions[0]
    if isinstance(kind, str) and kind.startswith("assistant_thread_"):
        thread = at(body, "assistant_thread")
        return bool(thread.get("channel_id") and thread.get("thread_ts"))
    return True


def text_in(value: object) -> str:
    """A string of a payload without what cannot be stored or seen; empty for anything else."""
    return UNSEEN.sub("", value) if isinstance(value, str) else ""


def wire_text(message: Mapping[str, Any]) -> str:
    """The words of a message in wire form, from its blocks where it has no text.

    A message that was forwarded stands below what was written about it.
    """
    own = text_in(message.get("text")) or "\n".join(_blocks(message.get("blocks"), 0)).strip()
    forwarded = [
        text_in(part.get("text"))
        for part in _dicts(message.get("attachments"))
        if part.get("is_share") or part.get("is_msg_unfurl")
    ]
    return "\n\n".join(filter(None, [own, *forwarded]))


def mentioned(wire: str) -> set[str]:
    """The ids of all people that a text mentions."""
    return set(PERSON.findall(wire))


def without_mention(wire: str, user: str) -> str:
    """The text without mentions of one user."""
    return re.sub(rf"[ \t]*<@{re.escape(user)}(\|[^<>]*)?>", "", wire).strip()


def readable(wire: str, names: Mapping[str, str]) -> str:
    """The text as its writer saw it; `names` are those of people by id."""
    words = ENTITY.sub(lambda found: _entity(found[1], names), wire)
    return words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _entity(inside: str, names: Mapping[str, str]) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "@" + (names.get(target[1:]) or label.lstrip("@") or target[1:])
    if target.startswith("#"):
        return "#" + (label or target[1:])
    if target.startswith("!"):
        return _special(target[1:], label)
    return _link(target, label)


def _special(target: str, label: str) -> str:
    """`!here` and its like, groups, dates: the label if there is one."""
    if target.startswith("subteam"):
        return "@" + (label.lstrip("@") or "group")
    return label or "@" + target.partition("^")[0]


def _link(target: str, label: str) -> str:
    address = re.sub(r"^(mailto|tel):", "", target)
    if not label or label in (address, re.sub(r"^https?://", "", address).rstrip("/")):
        return address
    return f"{label} ({address})"


def _blocks(blocks: object, depth: int) -> Iterator[str]:
    """The lines of blocks and of what is nested in them."""
    if depth > MOST_BLOCKS_DEEP:
        return
    for block in _dicts(blocks):
        kind = block.get("type")
        if kind in ("rich_text_section", "rich_text_preformatted", "rich_text_quote"):
            yield "".join(_element(element) for element in _dicts(block.get("elements")))
        elif kind == "rich_text_list":
            yield from (f"- {line}" for line in _blocks(block.get("elements"), depth + 1))
        elif kind == "table":
            yield from (_row(row, depth) for row in _lists(block.get("rows")))
        elif kind in ("mrkdwn", "plain_text", "raw_text", "markdown"):
            yield text_in(block.get("text"))
        else:
            inside = [block.get("text"), *_dicts(block.get("fields"))]
            yield from _blocks([*_dicts(inside), *_dicts(block.get("elements"))], depth + 1)


def _row(row: list[Any], depth: int) -> str:
    return " | ".join(" ".join(_blocks([cell], depth + 1)) for cell in row)


def _element(element: dict[str, Any]) -> str:
    """An element of rich text as it would stand on the wire."""
    field, form = _ELEMENTS.get(str(element.get("type")), ("text", "{}"))
    words = html.escape(text_in(element.get(field)), quote=False)
    label = html.escape(text_in(element.get("text")), quote=False) if field == "url" else ""
    return form.format(f"{words}|{label}" if label else words)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _lists(value: object) -> list[list[Any]]:
    return [part for part in value if isinstance(part, list)] if isinstance(value, list) else []
