"""Payloads are taken for nothing but what they turn out to be. Pure."""

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

_ID = re.compile(r"[A-Z0-9]{1,40}")
_TS = re.compile(r"\d{1,20}\.\d{1,10}")
_OBJECTS = ("event", "view", "message", "previous_message", "item", "assistant_thread", "bot")
_WORDS = ("type", "command", "ssl_check", "callback_id", "action_id")
_NAMED = ("team", "user", "channel", "enterprise")
"""Either an id or an object that has one."""
_LISTS = ("authorizations", "actions", "response_urls")
_DEEPEST = 4


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
