"""The web page's language: the events of a conversation, and where they are kept. Pure."""

import time
from typing import Any

from pydantic_core import to_json

from core.messages import Message
from core.redis import Effect, Partition, tell
from core.replies import Reply

CHANNEL = "web"
KEPT_EVENTS = 6000
"""Newest events kept of one conversation; about three belong to a question and its answer."""

Event = dict[str, Any]


def page_id(message_id: str) -> str:
    """The id a page knows a message by."""
    return message_id.rpartition("/")[2]


def message_id(visitor: str, identity: str) -> str:
    """The whole id of a page's message: its own id is only unique together with the visitor."""
    return f"{visitor}/{identity}"


def question_event(message: Message, retries: str | None = None) -> Event:
    """A message was accepted."""
    files = [
        {"id": file.id, "name": file.name, "kind": file.kind, "bytes": file.size}
        for file in message.attachments
    ]
    return {
        "type": "question",
        "id": page_id(message.id),
        "text": message.text,
        "at": message.received_at,
        **({"files": files} if files else {}),
        **({"retries": retries} if retries else {}),
    }


def thinking_event(reply_id: str) -> Event:
    """A worker has the question, and there are no words yet."""
    return {"type": "thinking", "reply": page_id(reply_id)}


def start_event(reply_id: str) -> Event:
    """An answer begins, or begins again after a crash."""
    return {"type": "start", "reply": page_id(reply_id)}


def delta_event(reply_id: str, at: int, text: str) -> Event:
    """The answer's text goes on at character `at`."""
    return {"type": "delta", "reply": page_id(reply_id), "at": at, "text": text}


def retract_event(reply_id: str) -> Event:
    """What was shown of the answer is taken back."""
    return {"type": "retract", "reply": page_id(reply_id)}


def done_event(reply_id: str, reply: Reply) -> Event:
    """The whole answer."""
    return {
        "type": "done",
        "reply": page_id(reply_id),
        "text": reply.text,
        "sources": list(reply.sources),
        "outcome": reply.outcome.value,
        "origin": reply.origin.value,
        "is_cut": reply.is_cut,
        "at": time.time(),
    }


def fresh_event(reply_id: str) -> Event:
    """The conversation was started anew."""
    return {"type": "fresh", "id": page_id(reply_id)}


def vote_event(reply: str, vote: str) -> Event:
    """The visitor judged an answer."""
    return {"type": "vote", "reply": reply, "vote": vote}


def stream_key(partition: Partition, conversation: str) -> str:
    """Where a conversation's events are kept."""
    return partition.key("page", conversation)


def files_key(partition: Partition, conversation: str) -> str:
    """Where a conversation's files wait for the message they belong to."""
    return partition.key("page-files", conversation)


def stop_key(partition: Partition, conversation: str) -> str:
    """Where the question stands whose answer is not wanted any more."""
    return partition.key("page-stop", conversation)


def news_channel(partition: Partition) -> str:
    """Where gateways hear the events of a partition's conversations."""
    return partition.key("page-news")


def emit(
    partition: Partition, conversation: str, events: list[Event], history_hours: float
) -> list[Effect]:
    """The effects that write events, keep them for a while, and tell them the gateways.

    The ids of the events are what the first `len(events)` effects say.
    """
    key, channel = stream_key(partition, conversation), news_channel(partition)
    told = [
        tell(key, channel, conversation, KEPT_EVENTS, to_json(event).decode()) for event in events
    ]
    return [*told, ("PEXPIRE", key, str(int(history_hours * 3_600_000)))]
