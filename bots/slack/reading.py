"""What somebody wrote in Slack, as a person would read it: escapes and entities become words. Pure.

On the wire `&`, `<` and `>` of the writer are escaped, and what stands between real `<` and `>` is
an entity (https://docs.slack.dev/messaging/formatting-message-text). Some messages have their words
in `blocks` only; those are brought into the same form first.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

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
