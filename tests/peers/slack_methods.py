"""The Web API of the fake Slack by method name, with the scope each needs."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from peers import slack_chat
from peers.slack_checks import check_view, find_live
from peers.slack_records import Body, Bot, Channel, Message, Ping, SlackError
from peers.slack_state import Workspace

Run = Callable[[Workspace, Bot, Body], Body]


def auth_test(peer: Workspace, bot: Bot, args: Body) -> Body:
    """auth.test: who the token is."""
    return {
        "url": f"https://{bot.team.lower()}.slack.example/",
        "team": f"Team {bot.team}",
        "user": bot.name,
        "team_id": bot.team,
        "user_id": bot.user,
        "bot_id": bot.bot_id,
        "is_enterprise_install": False,
    }


def set_status(peer: Workspace, bot: Bot, args: Body) -> Body:
    """assistant.threads.setStatus: shown until the app writes; empty clears it."""
    key = assistant_thread(peer, bot, args)
    peer.statuses[key] = str(args.get("status") or "")
    if not peer.statuses[key]:
        del peer.statuses[key]
    return {}


def set_title(peer: Workspace, bot: Bot, args: Body) -> Body:
    """assistant.threads.setTitle."""
    if not args.get("title"):
        raise SlackError("invalid_arguments", "missing required field: title")
    peer.titles[assistant_thread(peer, bot, args)] = str(args["title"])
    return {}


def set_prompts(peer: Workspace, bot: Bot, args: Body) -> Body:
    """assistant.threads.setSuggestedPrompts: one to four, each with a title and a message."""
    channel = slack_chat.open_channel(peer, bot, {"channel": args.get("channel_id")})
    prompts = args.get("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise SlackError("invalid_arguments", "must have 1 to 4 items [json-pointer:/prompts]")
    if not all(isinstance(p, dict) and p.get("title") and p.get("message") for p in prompts):
        raise SlackError("invalid_arguments", "missing title or message [json-pointer:/prompts]")
    peer.prompts[channel.id, args.get("thread_ts")] = prompts
    return {}


def assistant_thread(peer: Workspace, bot: Bot, args: Body) -> tuple[str, str]:
    """Return the thread that a call on the assistant names."""
    channel = slack_chat.open_channel(peer, bot, {"channel": args.get("channel_id")})
    thread_ts = str(args.get("thread_ts") or "")
    if not any(thread_ts in (m.ts, m.thread_ts) for m in peer.history(channel.id)):
        raise SlackError("invalid_thread_ts")
    return channel.id, thread_ts


def views_publish(peer: Workspace, bot: Bot, args: Body) -> Body:
    """views.publish: the home tab of one person."""
    user = known_user(peer, args, "user_id")
    view = shown_view(peer, bot, check_view(args.get("view"), "home"))
    peer.homes[bot.token, str(user["id"])] = view
    return {"view": view}


def views_open(peer: Workspace, bot: Bot, args: Body) -> Body:
    """views.open: a modal; a trigger is good for 3 seconds and once."""
    issued = peer.triggers.pop(str(args.get("trigger_id")), None)
    if issued is None:
        raise SlackError("exchanged_trigger_id")
    if time.monotonic() - issued > 3:
        raise SlackError("expired_trigger_id")
    view = shown_view(peer, bot, check_view(args.get("view"), "modal"))
    peer.modals.append(view)
    return {"view": view}


def shown_view(peer: Workspace, bot: Bot, view: Body) -> Body:
    """Give a view its id, and remember what is alive in it."""
    shown = view | {"id": peer.new_id("V"), "team_id": bot.team, "bot_id": bot.bot_id}
    shown |= {"app_id": bot.app_id, "hash": peer.new_ts(), "state": {"values": {}}}
    for kind, where, match in find_live("", view["blocks"]):
        seen = peer.pings if kind == "mention" else peer.links
        seen.append(Ping("view", shown["id"], match[0], where))
    return shown


def users_info(peer: Workspace, bot: Bot, args: Body) -> Body:
    """users.info: the e-mail address only with its own scope."""
    user = known_user(peer, args, "user")
    if "users:read.email" not in bot.scopes:
        user = user | {"profile": {k: v for k, v in user["profile"].items() if k != "email"}}
    return {"user": user}


def known_user(peer: Workspace, args: Body, name: str) -> Body:
    """Return the person that a call names."""
    user = peer.users.get(str(args.get(name)))
    if user is None:
        raise SlackError("user_not_found")
    return user


def conversations_info(peer: Workspace, bot: Bot, args: Body) -> Body:
    """conversations.info."""
    return {"channel": as_slack(known_channel(peer, args))}


def conversations_open(peer: Workspace, bot: Bot, args: Body) -> Body:
    """conversations.open: the direct messages with one person."""
    user = known_user(peer, {"user": str(args.get("users", "")).split(",")[0]}, "user")
    return {"channel": as_slack(peer.channels[peer.dm(str(user["id"]), bot)])}


def known_channel(peer: Workspace, args: Body) -> Channel:
    """Return the channel that a call names."""
    channel = peer.channels.get(str(args.get("channel")))
    if channel is None:
        raise SlackError("channel_not_found")
    return channel


def as_slack(channel: Channel) -> Body:
    """Return a channel as Slack writes channels."""
    body: Body = {"id": channel.id, "is_archived": channel.archived, "is_member": channel.member}
    body |= {f"is_{kind}": kind == channel.kind for kind in ("channel", "group", "im", "mpim")}
    body |= {"user": channel.user} if channel.user else {"name": channel.id.lower()}
    return body


def conversations_history(peer: Workspace, bot: Bot, args: Body) -> Body:
    """conversations.history: newest first, without replies."""
    channel = readable(peer, args)
    tops = [m for m in peer.history(channel.id) if m.thread_ts in (None, m.ts)]
    return page(args, tops[::-1])


def conversations_replies(peer: Workspace, bot: Bot, args: Body) -> Body:
    """conversations.replies: a thread, oldest first."""
    channel = readable(peer, args)
    thread = peer.history(channel.id, str(args.get("ts")))
    if not thread:
        raise SlackError("thread_not_found")
    return page(args, thread)


def readable(peer: Workspace, args: Body) -> Channel:
    """Return the channel that a call names, if the bot may read there."""
    channel = known_channel(peer, args)
    if not channel.member:
        raise SlackError("not_in_channel")
    return channel


def page(args: Body, messages: list[Message]) -> Body:
    """Return one page, cut by `oldest`, `latest`, `limit` and `cursor`."""
    inclusive = str(args.get("inclusive", "0")).lower() in ("1", "true")
    oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9" * 10)
    inside = [
        m for m in messages if oldest < m.ts < latest or (inclusive and m.ts in (oldest, latest))
    ]
    try:
        start, limit = int(args.get("cursor") or 0), int(args.get("limit") or 100)
    except ValueError:
        raise SlackError("invalid_arguments", "cursor and limit must be as Slack gave") from None
    end = start + limit
    metadata = str(args.get("include_all_metadata", "0")).lower() in ("1", "true")
    return {
        "messages": [m.as_slack(metadata=metadata) for m in inside[start:end]],
        "has_more": end < len(inside),
        "response_metadata": {"next_cursor": str(end) if end < len(inside) else ""},
    }


def reactions_add(peer: Workspace, bot: Bot, args: Body) -> Body:
    """reactions.add: each name once."""
    message = reacted(peer, args)
    name = str(args.get("name") or "")
    if not re.fullmatch(r"[\w+'-]+(::skin-tone-\d)?", name):
        raise SlackError("invalid_name")
    if name in message.reactions:
        raise SlackError("already_reacted")
    message.reactions.append(name)
    return {}


def reactions_remove(peer: Workspace, bot: Bot, args: Body) -> Body:
    """reactions.remove."""
    message = reacted(peer, args)
    if args.get("name") not in message.reactions:
        raise SlackError("no_reaction")
    message.reactions.remove(str(args["name"]))
    return {}


def reacted(peer: Workspace, args: Body) -> Message:
    """Return the message that a reaction is about."""
    message = peer.find(known_channel(peer, args).id, str(args.get("timestamp")))
    if message is None:
        raise SlackError("message_not_found")
    return message


def files_info(peer: Workspace, bot: Bot, args: Body) -> Body:
    """files.info."""
    file = peer.files.get(str(args.get("file")))
    if file is None:
        raise SlackError("file_not_found")
    return {"file": {key: value for key, value in file.items() if key != "content"}}


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does, and the bot scope it needs."""

    run: Run
    scope: str | None = None


METHODS = {
    "auth.test": Method(auth_test),
    "chat.postMessage": Method(slack_chat.post_message, "chat:write"),
    "chat.postEphemeral": Method(slack_chat.post_ephemeral, "chat:write"),
    "chat.update": Method(slack_chat.update, "chat:write"),
    "chat.delete": Method(slack_chat.delete, "chat:write"),
    "chat.startStream": Method(slack_chat.start_stream, "chat:write"),
    "chat.appendStream": Method(slack_chat.append_stream, "chat:write"),
    "chat.stopStream": Method(slack_chat.stop_stream, "chat:write"),
    "assistant.threads.setStatus": Method(set_status, "assistant:write"),
    "assistant.threads.setTitle": Method(set_title, "assistant:write"),
    "assistant.threads.setSuggestedPrompts": Method(set_prompts, "assistant:write"),
    "views.publish": Method(views_publish),
    "views.open": Method(views_open),
    "users.info": Method(users_info, "users:read"),
    "conversations.info": Method(conversations_info, "{kind}:read"),
    "conversations.open": Method(conversations_open, "im:write"),
    "conversations.history": Method(conversations_history, "{kind}:history"),
    "conversations.replies": Method(conversations_replies, "{kind}:history"),
    "reactions.add": Method(reactions_add, "reactions:write"),
    "reactions.remove": Method(reactions_remove, "reactions:write"),
    "files.info": Method(files_info, "files:read"),
}
"""`{kind}` stands for the kind of the channel that is asked for."""

SCOPE_KINDS = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


def call_method(peer: Workspace, bot: Bot, name: str, args: Body) -> Body:
    """Do what a method does, if the bot was given its scope."""
    method = METHODS.get(name)
    if method is None:
        raise SlackError("unknown_method", req_method=name)
    if method.scope is not None:
        channel = peer.channels.get(str(args.get("channel")))
        scope = method.scope.format(kind=SCOPE_KINDS[channel.kind if channel else "channel"])
        if scope not in bot.scopes:
            raise missing_scope(bot, scope)
    return method.run(peer, bot, args)


def missing_scope(bot: Bot, needed: str) -> SlackError:
    """Build the refusal for a bot that lacks a scope."""
    return SlackError("missing_scope", needed=needed, provided=",".join(bot.scopes))
