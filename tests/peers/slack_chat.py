"""`chat.*` of the fake Slack."""

import time
from typing import Any

from peers.slack_checks import (
    MARKDOWN,
    TEXT_CUT,
    TS,
    UPDATE_TEXT,
    check_message_blocks,
    check_text,
    find_live,
)
from peers.slack_records import Body, Bot, Channel, Message, Ping, SlackError, Stream
from peers.slack_state import Workspace

CHUNKS = ("markdown_text", "task_update", "plan_update", "blocks")


def post_message(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.postMessage: text over 40,000 is cut, which `Message.cut` shows."""
    channel = open_channel(peer, bot, args)
    message = write(peer, bot, channel, args)
    peer.add(message)
    clear_status(peer, message)
    answer = {"channel": channel.id, "ts": message.ts, "message": message.as_slack()}
    return answer | ({"warning": "message_truncated"} if message.cut else {})


def post_ephemeral(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.postEphemeral: for one person that is in the channel."""
    channel = open_channel(peer, bot, args)
    if str(args.get("user")) not in peer.users:
        raise SlackError("user_not_in_channel")
    message = write(peer, bot, channel, args)
    message.seen_by = str(args["user"])
    peer.ephemerals.append(message)
    return {"message_ts": message.ts}


def update(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.update: only of an own message that is not streaming; text up to 4,000.

    Without `blocks` the message keeps those it has, and is shown with them.
    """
    message = own_message(peer, bot, args, "cant_update_message")
    if is_streaming(peer, message):
        raise SlackError("streaming_state_conflict")
    check_text(args)
    if len(str(args.get("text") or "")) > UPDATE_TEXT:
        raise SlackError("msg_too_long")
    text, blocks = content(args)
    if args.get("text") is not None or args.get("markdown_text") is not None:
        message.text = text
    if "blocks" in args or args.get("markdown_text") is not None:
        message.blocks = blocks
    if args.get("metadata"):
        message.metadata = check_metadata(args["metadata"])
    message.edits += 1
    look(peer, message)
    body: Body = {"channel": message.channel, "ts": message.ts, "text": message.text}
    return body | {"message": message.as_slack()}


def delete(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.delete: only of an own message that is not streaming."""
    message = own_message(peer, bot, args, "cant_delete_message")
    if is_streaming(peer, message):
        raise SlackError("cant_delete_message")
    message.deleted = True
    return {"channel": message.channel, "ts": message.ts}


def start_stream(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.startStream: only in a thread; in a channel for one recipient."""
    channel = open_channel(peer, bot, args)
    if not args.get("thread_ts"):
        raise SlackError("invalid_arguments", "missing required field: thread_ts")
    if channel.kind != "im":
        check_recipient(peer, bot, args)
    delta, mode = read_delta(args)
    message = new_message(peer, bot, channel, args)
    message.streaming = True
    stream = Stream(bot, message, mode, time.monotonic(), args.get("recipient_user_id"))
    append(peer, stream, args, delta)
    peer.add_stream(stream)
    clear_status(peer, message)
    return {"channel": channel.id, "ts": message.ts}


def append_stream(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.appendStream: adds text to what is there; up to 12,000 characters a call."""
    stream = open_stream(peer, bot, args)
    delta, mode = read_delta(args)
    if not mode:
        raise SlackError("no_text")
    if stream.mode and mode != stream.mode:
        raise SlackError("streaming_mode_mismatch")
    stream.mode = mode
    append(peer, stream, args, delta)
    return {"channel": stream.message.channel, "ts": stream.message.ts}


def stop_stream(peer: Workspace, bot: Bot, args: Body) -> Body:
    """chat.stopStream: takes a last text, blocks that stand under it, and metadata."""
    stream = open_stream(peer, bot, args)
    delta, mode = read_delta(args)
    if mode and stream.mode and mode != stream.mode:
        raise SlackError("streaming_mode_mismatch")
    blocks = check_message_blocks(args["blocks"]) if args.get("blocks") else []
    append(peer, stream, args, delta)
    message = stream.message
    message.blocks += blocks
    if args.get("metadata"):
        message.metadata = check_metadata(args["metadata"])
    message.streaming = stream.open = False
    look(peer, message)
    body: Body = {"channel": message.channel, "ts": message.ts}
    return body | {"message": message.as_slack()}


def check_recipient(peer: Workspace, bot: Bot, args: Body) -> None:
    """Check who sees a stream in a channel grow."""
    for name, known, error in (
        ("recipient_team_id", (bot.team,), "team_not_found"),
        ("recipient_user_id", peer.users, "user_not_found"),
    ):
        if not args.get(name):
            raise SlackError(f"missing_{name}")
        if args[name] not in known:
            raise SlackError(error)


def read_delta(args: Body) -> tuple[str, str]:
    """Return the text of a call on a stream, and how it came: text, chunks, or not at all."""
    chunks = args.get("chunks")
    if args.get("markdown_text") is not None and chunks is not None:
        raise SlackError("invalid_arguments", "markdown_text and chunks exclude each other")
    if args.get("markdown_text") is not None:
        texts, mode = [str(args["markdown_text"])], "text"
    elif chunks:
        if not isinstance(chunks, list):
            raise SlackError("invalid_chunks")
        texts, mode = [read_chunk(chunk) for chunk in chunks], "chunks"
    else:
        return "", ""
    if any(len(text) > MARKDOWN for text in texts):
        raise SlackError("msg_too_long")
    return "".join(texts), mode


def read_chunk(chunk: Any) -> str:
    """Return the text of a chunk; tasks, plans and blocks have none of it."""
    if not isinstance(chunk, dict) or chunk.get("type") not in CHUNKS:
        raise SlackError("invalid_chunks")
    if chunk["type"] == "task_update" and not (chunk.get("id") and chunk.get("title")):
        raise SlackError("invalid_chunks")
    if len(str(chunk.get("title", ""))) > 256:
        raise SlackError("msg_too_long")
    return str(chunk["text"]) if chunk["type"] == "markdown_text" else ""


def append(peer: Workspace, stream: Stream, args: Body, delta: str) -> None:
    """Add a delta and the tasks of a call to a stream."""
    if delta:
        stream.deltas.append(delta)
    for chunk in args.get("chunks") or []:
        if chunk["type"] == "task_update":
            stream.tasks[chunk["id"]] = stream.tasks.get(chunk["id"], {}) | chunk
    stream.message.text = stream.text
    blocks: list[Body] = [{"type": "markdown", "text": stream.text}] if stream.text else []
    stream.message.blocks = blocks
    look(peer, stream.message, "\n".join(str(t.get("title")) for t in stream.tasks.values()))


def open_stream(peer: Workspace, bot: Bot, args: Body) -> Stream:
    """Return the stream that a call names, if it takes more text."""
    message = own_message(peer, bot, args, "message_not_owned_by_app")
    stream = peer.stream_of(message)
    if stream is None or not stream.open:
        raise SlackError("message_not_in_streaming_state")
    return stream


def is_streaming(peer: Workspace, message: Message) -> bool:
    """Say whether a message belongs to an open stream."""
    stream = peer.stream_of(message)
    return stream is not None and stream.open


def open_channel(peer: Workspace, bot: Bot, args: Body) -> Channel:
    """Return the channel that a call names, if the bot may write there."""
    name = str(args.get("channel") or "")
    if name in peer.users:
        name = peer.dm(name, bot)
    channel = peer.channels.get(name)
    if channel is None:
        raise SlackError("channel_not_found")
    if channel.archived:
        raise SlackError("is_archived")
    if not channel.member:
        raise SlackError("not_in_channel")
    return channel


def own_message(peer: Workspace, bot: Bot, args: Body, error: str) -> Message:
    """Return the message that a call names; `error` is for somebody else's."""
    channel = open_channel(peer, bot, args)
    message = peer.find(channel.id, str(args.get("ts")))
    if message is None:
        raise SlackError("message_not_found")
    if message.bot is not bot:
        raise SlackError(error)
    return message


def write(peer: Workspace, bot: Bot, channel: Channel, args: Body) -> Message:
    """Build a message out of a call, without putting it anywhere."""
    check_text(args)
    message = new_message(peer, bot, channel, args)
    message.text, message.blocks = content(args)
    message.cut = len(message.text) > TEXT_CUT
    message.text = message.text[:TEXT_CUT]
    look(peer, message)
    return message


def new_message(peer: Workspace, bot: Bot, channel: Channel, args: Body) -> Message:
    """Return an empty message of a bot in the thread that a call names."""
    thread_ts = args.get("thread_ts")
    if thread_ts is not None and not TS.fullmatch(str(thread_ts)):
        raise SlackError("invalid_thread_ts")
    metadata = args.get("metadata")
    if metadata is not None:
        check_metadata(metadata)
    return Message(
        channel=channel.id,
        ts=peer.new_ts(),
        text="",
        user=bot.user,
        team=bot.team,
        bot=bot,
        bot_id=bot.bot_id,
        thread_ts=str(thread_ts) if thread_ts is not None else None,
        metadata=metadata,
    )


def check_metadata(metadata: object) -> Body:
    """Return a message's metadata: a type, and an object of what the app wants to remember."""
    if not isinstance(metadata, dict) or not {"event_type", "event_payload"} <= set(metadata):
        raise SlackError("invalid_metadata_format")
    return metadata


def content(args: Body) -> tuple[str, list[Body]]:
    """Return the text and the blocks that a message is shown with."""
    if args.get("markdown_text") is not None:
        text = str(args["markdown_text"])
        return text, [{"type": "markdown", "text": text}]
    blocks = check_message_blocks(args["blocks"]) if args.get("blocks") else []
    return str(args.get("text") or ""), blocks


def look(peer: Workspace, message: Message, more: str = "") -> None:
    """Remember each thing that is alive in a message, once.

    Text beside a markdown block of the same words is only its source.
    """
    markdown = any(block["type"] == "markdown" for block in message.blocks)
    same = markdown and message.text in (b.get("text") for b in message.blocks)
    text = more if same else f"{message.text}\n{more}"
    for kind, where, match in find_live(text, message.blocks):
        ping = Ping(message.channel, message.ts, match[0], where)
        seen = peer.pings if kind == "mention" else peer.links
        if ping not in seen:
            seen.append(ping)


def clear_status(peer: Workspace, message: Message) -> None:
    """Drop the assistant's status: Slack does when the app writes into the thread."""
    peer.statuses.pop((message.channel, message.thread_ts or message.ts), None)
