"""The web page's language: a posted message in, events of a conversation out. Pure."""

import re
import time
from typing import Any

from pydantic_core import to_json

from core.messages import Address, Message
from core.redis import Effect, Partition, tell
from core.replies import Reply

CHANNEL = "web"
TEXT_LIMIT = 4000
"""Characters of one message."""
KEPT_EVENTS = 1000
"""Newest events kept of one conversation."""
MESSAGE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
EVENT_ID = re.compile(r"\d{1,15}-\d{1,10}")
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BadMessageError(Exception):
    """The body is not a message; answer 400."""


class LongMessageError(Exception):
    """The text is longer than `TEXT_LIMIT`; answer 413."""


def parse_message(body: object, account: str, visitor: str) -> Message:
    """Make a message of a posted JSON body; raises BadMessageError or LongMessageError."""
    if not isinstance(body, dict) or set(body) != {"id", "text"}:
        raise BadMessageError
    identity, text = body["id"], body["text"]
    if not isinstance(identity, str) or not MESSAGE_ID.fullmatch(identity):
        raise BadMessageError
    if not isinstance(text, str) or not _is_sayable(text):
        raise BadMessageError
    if len(text) > TEXT_LIMIT:
        raise LongMessageError
    address = Address(CHANNEL, account, visitor, visitor)
    # Ids are the page's own, so they are only unique together with the visitor.
    return Message(f"{visitor}/{identity.lower()}", address, UNSEEN.sub("", text), time.time())


def _is_sayable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which JSON can smuggle in
        return False
    return bool(UNSEEN.sub("", text).strip())


def page_id(message_id: str) -> str:
    """The id a page knows a message by."""
    return message_id.rpartition("/")[2]


def question_event(message: Message) -> dict[str, Any]:
    """A message was accepted."""
    return {
        "type": "question",
        "id": page_id(message.id),
        "text": message.text,
        "at": message.received_at,
    }


def start_event(reply_id: str) -> dict[str, Any]:
    """An answer begins, or begins again after a crash."""
    return {"type": "start", "reply": page_id(reply_id)}


def delta_event(reply_id: str, at: int, text: str) -> dict[str, Any]:
    """The answer's text goes on at character `at`."""
    return {"type": "delta", "reply": page_id(reply_id), "at": at, "text": text}


def retract_event(reply_id: str) -> dict[str, Any]:
    """What was shown of the answer is taken back."""
    return {"type": "retract", "reply": page_id(reply_id)}


def done_event(reply_id: str, reply: Reply) -> dict[str, Any]:
    """The whole answer."""
    return {
        "type": "done",
        "reply": page_id(reply_id),
        "text": reply.text,
        "sources": list(reply.sources),
        "outcome": reply.outcome.value,
        "origin": reply.origin.value,
    }


def fresh_event(reply_id: str) -> dict[str, Any]:
    """The conversation was started anew."""
    return {"type": "fresh", "id": page_id(reply_id)}


def stream_key(partition: Partition, conversation: str) -> str:
    """Where a conversation's events are kept."""
    return partition.key("page", conversation)


def news_channel(partition: Partition) -> str:
    """Where gateways hear the events of a partition's conversations."""
    return partition.key("page-news")


def emit(
    partition: Partition, conversation: str, events: list[dict[str, Any]], history_hours: float
) -> list[Effect]:
    """The effects that write events, keep them for a while, and tell them the gateways.

    The ids of the events are what the first `len(events)` effects say.
    """
    key, channel = stream_key(partition, conversation), news_channel(partition)
    told = [
        tell(key, channel, conversation, KEPT_EVENTS, to_json(event).decode()) for event in events
    ]
    return [*told, ("PEXPIRE", key, str(int(history_hours * 3_600_000)))]
