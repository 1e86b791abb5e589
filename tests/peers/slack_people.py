"""What people do on the fake Slack: write, edit, press, command; each brings an event to an app."""

import asyncio
import html
import re
import time
from typing import Any

from peers.slack_delivery import Courier, Delivery
from peers.slack_records import Body, Bot, Message

WRITTEN = (None, "file_share", "thread_broadcast")
"""Subtypes of what a person wrote, which has a `client_msg_id`."""

MARKUP = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")


class People(Courier):
    """A workspace with people in it.

    Each act waits until the app acknowledged it or Slack gave up, and returns the delivery. Whom
    and where it names is created. Without a channel it happens in the direct messages with the
    bot, without a bot with the first one.
    """

    async def event(self, event: Body, bot: Bot | None = None) -> Delivery:
        """Bring any event to an app, in Slack's wrapping."""
        bot = bot or self.bots[0]
        return await self.deliver(bot, "events_api", self.wrap(event, bot))

    async def message(
        self,
        text: str,
        channel: str | None = None,
        user: str = "U1",
        *,
        bot: Bot | None = None,
        thread_ts: str | None = None,
        **extra: Any,
    ) -> Delivery:
        """Write a message; `extra` goes into the event as it is."""
        event = self.write(text, channel, user, bot=bot, thread_ts=thread_ts, **extra)
        return await self.event(event, bot)

    async def mention(
        self,
        text: str,
        channel: str = "C1",
        user: str = "U1",
        *,
        bot: Bot | None = None,
        thread_ts: str | None = None,
        twin: bool = True,
    ) -> list[Delivery]:
        """Mention the bot: an `app_mention`, and with `twin` the same message as `message`."""
        bot = bot or self.bots[0]
        if f"<@{bot.user}>" not in text:
            text = f"<@{bot.user}> {text}"
        message = self.write(text, channel, user, bot=bot, thread_ts=thread_ts)
        mention = {k: v for k, v in message.items() if k not in ("channel_type", "subtype")}
        events = [mention | {"type": "app_mention"}, message]
        return await asyncio.gather(*(self.event(e, bot) for e in events[: 2 if twin else 1]))

    async def edit(self, channel: str, ts: str, text: str, bot: Bot | None = None) -> Delivery:
        """Change a message: subtype `message_changed`."""
        message = self.known(channel, ts)
        before = message.as_slack()
        message.text, message.blocks = text, typed(text)
        message.edits += 1
        event: Body = {"message": message.as_slack(), "previous_message": before}
        return await self._hidden("message_changed", event, channel, bot)

    async def delete(self, channel: str, ts: str, bot: Bot | None = None) -> Delivery:
        """Delete a message: subtype `message_deleted`."""
        message = self.known(channel, ts)
        message.deleted = True
        event: Body = {"deleted_ts": ts, "previous_message": message.as_slack()}
        return await self._hidden("message_deleted", event, channel, bot)

    async def join(self, channel: str, user: str, bot: Bot | None = None) -> Delivery:
        """Come into a channel: subtype `channel_join`."""
        return await self.message(
            f"<@{user}> has joined the channel", channel, user, bot=bot, subtype="channel_join"
        )

    async def robot(
        self, text: str, channel: str | None = None, bot: Bot | None = None, **extra: Any
    ) -> Delivery:
        """Write as another app: it has a `bot_id`; pass `subtype="bot_message"` for an old one."""
        robot: Body = {"bot_id": "BOTHER", "app_id": "AOTHER"}
        return await self.message(text, channel, "UOTHERBOT", bot=bot, **robot | extra)

    async def echo(self, message: Message) -> Delivery:
        """Bring a bot's own message back to it, as Slack does where the app listens."""
        event = message.as_slack() | self.place(message.channel) | {"ts": message.ts}
        return await self.event(event, message.bot)

    async def share(
        self,
        name: str,
        content: bytes,
        text: str = "",
        channel: str | None = None,
        user: str = "U1",
        *,
        mimetype: str = "text/plain",
        **extra: Any,
    ) -> Delivery:
        """Share a file: subtype `file_share`; the bot's token opens its `url_private`."""
        file_id = self.new_id("F")
        url = f"{self.url}/files/{file_id}/{name}"
        file: Body = {"id": file_id, "name": name, "mimetype": mimetype, "size": len(content)}
        file |= {"url_private": url, "url_private_download": url, "mode": "hosted"}
        self.files[file_id] = file | {"content": content}
        return await self.message(
            text, channel, user, subtype="file_share", files=[file], upload=False, **extra
        )

    async def open_assistant(self, user: str = "U1", bot: Bot | None = None) -> Delivery:
        """Open a new thread in the assistant pane; its timestamp is in `thread_of`."""
        return await self._assistant("assistant_thread_started", user, None, bot)

    async def change_context(
        self, user: str, thread_ts: str, context: Body, bot: Bot | None = None
    ) -> Delivery:
        """Look at another channel with the assistant pane open."""
        return await self._assistant(
            "assistant_thread_context_changed", user, thread_ts, bot, context
        )

    async def open_home(
        self, user: str = "U1", tab: str = "home", bot: Bot | None = None
    ) -> Delivery:
        """Open the app's home: tab `home` or `messages`."""
        bot = bot or self.bots[0]
        event: Body = {"type": "app_home_opened", "user": user, "tab": tab}
        event |= {"channel": self.dm(user, bot), "event_ts": self.new_ts()}
        if (bot.token, user) in self.homes:
            event["view"] = self.homes[bot.token, user]
        return await self.event(event, bot)

    def write(
        self,
        text: str,
        channel: str | None = None,
        user: str = "U1",
        *,
        bot: Bot | None = None,
        thread_ts: str | None = None,
        **extra: Any,
    ) -> Body:
        """Put a person's message into its channel and return its event, without bringing it."""
        bot = bot or self.bots[0]
        self.user(user)
        place = self.place(channel or self.dm(user, bot))
        message = Message(place["channel"], self.new_ts(), text, user, bot.team)
        message.thread_ts, message.blocks = thread_ts, typed(text)
        message.bot_id, message.files = extra.get("bot_id"), extra.get("files", [])
        message.subtype = extra.get("subtype")
        self.add(message)
        event = message.as_slack() | place | {"event_ts": message.ts}
        if message.bot_id is None and message.subtype in WRITTEN:
            event["client_msg_id"] = self.new_id("msg-")
        event |= extra
        parent = self.find(message.channel, thread_ts) if thread_ts else None
        return event | ({"parent_user_id": parent.user} if parent else {})

    def wrap(self, event: Body, bot: Bot) -> Body:
        """Return the outer payload of an event, with a fresh event id."""
        return {
            "token": "legacy",
            "team_id": bot.team,
            "context_team_id": bot.team,
            "context_enterprise_id": None,
            "api_app_id": bot.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": self.new_id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": bot.team,
                    "user_id": bot.user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": self.new_id("4-"),
        }

    def place(self, channel: str) -> Body:
        """Return the part of an event that says where it happened."""
        kind = self.channel(channel).kind
        return {"channel": channel, "channel_type": kind, "event_ts": self.new_ts()}

    def known(self, channel: str, ts: str) -> Message:
        """Return a message that must be there."""
        message = self.find(channel, ts)
        if message is None:
            raise LookupError(f"no message {ts} in {channel}")
        return message

    async def _hidden(self, subtype: str, event: Body, channel: str, bot: Bot | None) -> Delivery:
        event |= {"type": "message", "subtype": subtype, "hidden": True} | self.place(channel)
        return await self.event(event | {"ts": event["event_ts"]}, bot)

    async def _assistant(
        self,
        kind: str,
        user: str,
        thread_ts: str | None,
        bot: Bot | None,
        context: Body | None = None,
    ) -> Delivery:
        bot = bot or self.bots[0]
        channel = self.dm(user, bot)
        if thread_ts is None:
            root = Message(channel, self.new_ts(), "New Assistant Thread", bot.user, bot.team)
            root.subtype, root.thread_ts = "assistant_app_thread", root.ts
            thread_ts = self.add(root).ts
        thread: Body = {"user_id": user, "channel_id": channel, "thread_ts": thread_ts}
        thread["context"] = context or {"channel_id": "C1", "team_id": bot.team}
        event = {"type": kind, "assistant_thread": thread, "event_ts": self.new_ts()}
        return await self.event(event, bot)


def thread_of(delivery: Delivery) -> str:
    """Return the thread of an assistant event."""
    return str(delivery.event["assistant_thread"]["thread_ts"])


def typed(text: str) -> list[Body]:
    """Return the block that Slack makes of what a person types.

    `text` is as on the wire, where `&`, `<` and `>` are escaped; in the block they are not.
    """
    elements: list[Body] = []
    end = 0
    for match in MARKUP.finditer(text):
        elements += [*plain(text[end : match.start()]), marked(match)]
        end = match.end()
    elements += plain(text[end:])
    if not elements:
        return []
    section: Body = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "typed", "elements": [section]}]


def plain(text: str) -> list[Body]:
    """Return the element of some words; none for none."""
    return [{"type": "text", "text": html.unescape(text)}] if text else []


def marked(match: re.Match[str]) -> Body:
    """Return the element of a mention, a channel or a link."""
    sign, name, label = match.groups()
    if sign == "@":
        return {"type": "user", "user_id": name}
    if sign == "#":
        return {"type": "channel", "channel_id": name}
    if sign == "!":
        return {"type": "broadcast", "range": name}
    return {"type": "link", "url": html.unescape(name), **({"text": label} if label else {})}
