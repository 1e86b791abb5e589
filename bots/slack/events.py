"""Slack's payloads become messages. Pure: nothing here calls anybody.

Who is answered: people of the workspace, its guests included. Bots, XiaoQ itself and people of
other organisations (Slack Connect, told by the team they belong to) are not: what XiaoQ knows is
for the company's own staff.

A conversation's key holds the workspace, the bot and the channel. A thread of a channel is one
conversation of several colleagues, so it names no user; direct messages and commands do.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bots.slack.files import attached, file_urls
from bots.slack.payload import (
    at,
    identifier,
    mentioned,
    readable,
    text_in,
    timestamp,
    wire_text,
    without_mention,
)
from core.messages import Address, Attachment, Message

PLATFORM = "slack"
COMMAND = "/xiaoq"
SHORTCUT = "answer_this"
SLACKBOT = "USLACKBOT"
WRITTEN = (None, "file_share", "thread_broadcast", "me_message")
"""Subtypes of what a person says; the others are edits, joins and Slack's own notes."""
WORDS = {"": "/help", "help": "/help", "new": "/new", "human": "/human"}
"""What stands behind the slash command and means one of XiaoQ's own commands."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is; `account` is its name in the settings."""

    account: str
    team: str
    user: str
    bot_id: str = ""
    enterprise: str = ""

    def knows(self, team: str) -> bool:
        """Whether people of a team are colleagues; no team is Slack's word for the own one."""
        return team in ("", self.team) or (bool(self.enterprise) and team == self.enterprise)


class Change(Enum):
    """What happened to a message."""

    WRITTEN = "written"
    EDITED = "edited"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message somebody wrote, changed or deleted where XiaoQ can hear it."""

    message: Message
    change: Change = Change.WRITTEN
    is_addressed: bool = True
    """A direct message or a mention; anything else is answered only in threads it takes part in."""
    is_newly_addressed: bool = False
    """An edit put the mention there."""
    event_ts: str = ""
    """Tells one edit of a message from the next."""


def person_address(identity: Identity, user: str) -> Address:
    """Somebody outside of any conversation, for what is shown to them alone."""
    return Address(PLATFORM, identity.account, identity.team, user)


def is_ours(body: Mapping[str, Any], identity: Identity) -> bool:
    """Whether an event is for the workspace of our token; an app can be installed in others too.

    In a channel shared with another organisation the outer team may be theirs, and
    `authorizations` tells whose installation is meant.
    """
    given = body.get("authorizations")
    installed = given if isinstance(given, list) else []
    teams = [one.get("team_id") for one in installed if isinstance(one, dict)]
    return any(identity.knows(text_in(team)) for team in teams or [body.get("team_id")])


def people_in(event: Mapping[str, Any], identity: Identity) -> set[str]:
    """Ids of the people whose names `hear` would like to know."""
    said = at(event, "message") if event.get("subtype") == "message_changed" else event
    return mentioned(wire_text(said)) - {identity.user}


def hear(
    event: Mapping[str, Any], identity: Identity, names: Mapping[str, str], now: float
) -> Heard | None:
    """Read a `message` or `app_mention` event; None if it is nothing to answer."""
    subtype = event.get("subtype")
    before = at(event, "previous_message")
    if subtype == "message_deleted":
        return _withdrawn(event, before, identity, now)
    if subtype == "message_changed":
        after = at(event, "message")
        if after.get("subtype") == "tombstone":
            return _withdrawn(event, before, identity, now)
        return _edited(event, after, before, identity, names, now)
    return _written(event, event, identity, names, now) if subtype in WRITTEN else None


def _written(
    event: Mapping[str, Any],
    said: Mapping[str, Any],
    identity: Identity,
    names: Mapping[str, str],
    now: float,
) -> Heard | None:
    place = _place(event, said)
    if place is None or not _is_colleague(said, identity):
        return None
    wire = wire_text(said)
    people = mentioned(wire)
    is_mentioned = identity.user in people
    if people and not (is_mentioned or place.is_direct):
        return None  # said to somebody else, also in a thread that XiaoQ takes part in
    text = readable(without_mention(wire, identity.user), names)
    files = attached(said)
    if not text and not files:
        if not is_mentioned:
            return None
        text = "/start"  # a bare mention says hello
    message = _message(place, identity, text, now, files, file_urls(said))
    return Heard(message, is_addressed=place.is_direct or is_mentioned)


def _edited(
    event: Mapping[str, Any],
    after: Mapping[str, Any],
    before: Mapping[str, Any],
    identity: Identity,
    names: Mapping[str, str],
    now: float,
) -> Heard | None:
    """An edit of the words; Slack also calls it an edit when a link gets its preview."""
    if wire_text(after) == wire_text(before) and attached(after) == attached(before):
        return None
    heard = _written(event, after, identity, names, now)
    if heard is None:
        return None
    was_mentioned = identity.user in mentioned(wire_text(before))
    is_newly_addressed = heard.is_addressed and not heard.message.address.user and not was_mentioned
    edit = timestamp(event.get("event_ts")) or timestamp(event.get("ts"))
    return Heard(heard.message, Change.EDITED, heard.is_addressed, is_newly_addressed, edit)


def _withdrawn(
    event: Mapping[str, Any], before: Mapping[str, Any], identity: Identity, now: float
) -> Heard | None:
    place = _place(event, before, text_in(event.get("deleted_ts")))
    if place is None or not _is_colleague(before, identity):
        return None
    return Heard(_message(place, identity, "", now), Change.WITHDRAWN)


def hear_command(body: Mapping[str, Any], identity: Identity, now: float) -> Message | None:
    """Read a slash command; its answer is for the one who gave it alone."""
    channel, user = identifier(body.get("channel_id")), identifier(body.get("user_id"))
    trigger = text_in(body.get("trigger_id"))
    if not (channel and user and trigger and identity.knows(text_in(body.get("team_id")))):
        return None
    said = readable(text_in(body.get("text")), {})
    address = Address(PLATFORM, identity.account, _chat(identity, channel), user, COMMAND)
    digest = hashlib.blake2b(trigger.encode(), digest_size=12).hexdigest()
    envelope = {
        "channel": channel,
        "user": user,
        "team": identity.team,
        "response_url": text_in(body.get("response_url")),
        "hidden": "yes",
    }
    text = WORDS.get(said.lower(), said)
    return Message(f"{channel}/command/{digest}", address, text, now, envelope=envelope)


def hear_shortcut(
    body: Mapping[str, Any], identity: Identity, names: Mapping[str, str], now: float
) -> Message | None:
    """Read "answer this": somebody's message, to be answered in its thread for all to see.

    The message may be that of another app: a person asked for the answer.
    """
    said, asker = at(body, "message"), at(body, "user")
    user = identifier(asker.get("id"))
    channel = text_in(at(body, "channel").get("id"))
    place = _place({"channel": channel}, {**said, "user": user})
    if place is None or not identity.knows(text_in(asker.get("team_id"))):
        return None
    if said.get("user") == identity.user or said.get("bot_id") == identity.bot_id:
        return None
    text = readable(without_mention(wire_text(said), identity.user), names)
    files = attached(said)
    if not text and not files:
        return None
    message = _message(place, identity, text, now, files, file_urls(said))
    message.envelope["response_url"] = text_in(body.get("response_url"))
    return message


def hear_vote(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a pressed button carries, and who pressed it."""
    actions = body.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else None
    carried = text_in(first.get("value")) if isinstance(first, dict) else ""
    user = identifier(at(body, "user").get("id"))
    return (carried, user) if carried and user else None


@dataclass(frozen=True, slots=True)
class _Place:
    channel: str
    user: str
    ts: str
    thread: str
    """Empty in direct messages outside of threads."""
    is_direct: bool


def _place(event: Mapping[str, Any], said: Mapping[str, Any], ts: str = "") -> _Place | None:
    channel, user = identifier(event.get("channel")), identifier(said.get("user"))
    ts = timestamp(ts or said.get("ts"))
    if not (channel and user and ts):
        return None
    is_direct = event.get("channel_type") == "im" or channel.startswith("D")
    thread = timestamp(said.get("thread_ts"))
    return _Place(channel, user, ts, thread or ("" if is_direct else ts), is_direct)


def _is_colleague(said: Mapping[str, Any], identity: Identity) -> bool:
    if said.get("bot_id") or said.get("user") in (identity.user, SLACKBOT):
        return False
    teams = (said.get("user_team"), said.get("source_team"), said.get("team"))
    return identity.knows(text_in(next(filter(None, teams), "")))


def _message(
    place: _Place,
    identity: Identity,
    text: str,
    now: float,
    files: tuple[Attachment, ...] = (),
    urls: Mapping[str, str] | None = None,
) -> Message:
    user = place.user if place.is_direct else ""
    chat = _chat(identity, place.channel)
    address = Address(PLATFORM, identity.account, chat, user, place.thread)
    envelope = {"channel": place.channel, "user": place.user, "team": identity.team}
    envelope |= {"thread": place.thread, **(urls or {})}
    message_id = f"{place.channel}/{place.ts}"
    return Message(message_id, address, text, now, attachments=files, envelope=envelope)


def _chat(identity: Identity, channel: str) -> str:
    return f"{identity.team}/{identity.user}/{channel}"
