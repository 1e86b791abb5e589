"""What people click and command on the fake Slack; apps answer over a `response_url`."""

import time
from dataclasses import dataclass
from typing import Any

from peers.slack_delivery import Delivery
from peers.slack_people import People
from peers.slack_records import Body, Bot, Message

USES = 5
"""Answers a `response_url` takes."""
LIFE = 1800.0
"""Seconds a `response_url` lives."""


@dataclass(slots=True)
class ResponseUrl:
    """Where an app may answer a command or click."""

    bot: Bot
    channel: str
    user: str
    ts: str | None
    """The message that was clicked."""
    issued: float
    uses: int = 0


class Clicks(People):
    """A workspace whose people press, command and open modals."""

    def __init__(self) -> None:
        super().__init__()
        self.response_urls: dict[str, ResponseUrl] = {}
        self.response_life = LIFE

    async def command(
        self,
        command: str,
        text: str = "",
        channel: str | None = None,
        user: str = "U1",
        bot: Bot | None = None,
    ) -> Delivery:
        """Give a slash command."""
        bot = bot or self.bots[0]
        self.user(user)
        place = self.channel(channel or self.dm(user, bot))
        payload: Body = {
            "token": "legacy",
            "team_id": bot.team,
            "team_domain": bot.team.lower(),
            "channel_id": place.id,
            "channel_name": "directmessage" if place.kind == "im" else place.id.lower(),
            "user_id": user,
            "user_name": user.lower(),
            "command": command,
            "text": text,
            "api_app_id": bot.app_id,
            "is_enterprise_install": "false",
            "response_url": self.new_response_url(bot, place.id, user),
            "trigger_id": self.new_trigger(),
        }
        return await self.deliver(bot, "slash_commands", payload)

    async def press(
        self,
        message: Message,
        action_id: str | None = None,
        value: str | None = None,
        user: str = "U1",
    ) -> Delivery:
        """Press the button of a message that has this action id or value, or its first.

        A feedback element is pressed by the value of the thumb. LookupError without such a button.
        """
        bot = message.bot or self.bots[0]
        action = find_action(message.blocks, action_id, value) | {"action_ts": self.new_ts()}
        hidden = message.seen_by is not None
        payload = self.click("block_actions", bot, user) | {
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": hidden,
            },
            "channel": {"id": message.channel, "name": message.channel.lower()},
            "state": {"values": {}},
            "response_url": self.new_response_url(bot, message.channel, user, message.ts),
            "actions": [action],
        }
        if not hidden:
            payload["message"] = message.as_slack()
        if message.thread_ts:
            payload["container"]["thread_ts"] = message.thread_ts
        return await self.deliver(bot, "interactive", payload)

    async def press_home(
        self,
        user: str = "U1",
        action_id: str | None = None,
        value: str | None = None,
        bot: Bot | None = None,
    ) -> Delivery:
        """Press a button of a person's home tab."""
        bot = bot or self.bots[0]
        view = self.homes[bot.token, user]
        action = find_action(view["blocks"], action_id, value) | {"action_ts": self.new_ts()}
        payload = self.click("block_actions", bot, user) | {
            "container": {"type": "view", "view_id": view["id"]},
            "view": view,
            "actions": [action],
        }
        return await self.deliver(bot, "interactive", payload)

    async def shortcut(
        self, callback_id: str, message: Message, user: str = "U1", bot: Bot | None = None
    ) -> Delivery:
        """Use a message shortcut."""
        bot = bot or self.bots[0]
        self.user(user)
        payload = self.click("message_action", bot, user) | {
            "callback_id": callback_id,
            "action_ts": self.new_ts(),
            "message_ts": message.ts,
            "message": message.as_slack(),
            "channel": {"id": message.channel, "name": message.channel.lower()},
            "response_url": self.new_response_url(bot, message.channel, user, message.ts),
        }
        return await self.deliver(bot, "interactive", payload)

    async def submit(
        self, view: Body, values: Body, user: str = "U1", bot: Bot | None = None
    ) -> Delivery:
        """Submit a modal with its state's values."""
        bot = bot or self.bots[0]
        filled = view | {"state": {"values": values}}
        payload = self.click("view_submission", bot, user) | {"view": filled, "response_urls": []}
        return await self.deliver(bot, "interactive", payload)

    def click(self, kind: str, bot: Bot, user: str) -> Body:
        """Return what every interactive payload has."""
        self.user(user)
        return {
            "type": kind,
            "token": "legacy",
            "api_app_id": bot.app_id,
            "team": {"id": bot.team, "domain": bot.team.lower()},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {
                "id": user,
                "username": user.lower(),
                "name": user.lower(),
                "team_id": bot.team,
            },
            "trigger_id": self.new_trigger(),
        }

    def new_trigger(self) -> str:
        """Issue a trigger id."""
        trigger = self.new_id("trigger-")
        self.triggers[trigger] = time.monotonic()
        return trigger

    def new_response_url(self, bot: Bot, channel: str, user: str, ts: str | None = None) -> str:
        """Issue a response URL."""
        key = self.new_id("R")
        self.response_urls[key] = ResponseUrl(bot, channel, user, ts, time.monotonic())
        return f"{self.url}/response/{key}"


def find_action(blocks: list[Body], action_id: str | None, value: str | None) -> Body:
    """Return the action of the button that has this id and value."""
    for number, block in enumerate(blocks):
        for element in [*block.get("elements", []), block.get("accessory") or {}]:
            for action in actions_of(element):
                wanted = action_id in (None, action["action_id"])
                if wanted and value in (None, action.get("value")):
                    return action | {"block_id": block.get("block_id", f"block{number}")}
    raise LookupError(f"no button {action_id} {value}")


def actions_of(element: Any) -> list[Body]:
    """Return what pressing an element may send; two for a pair of thumbs."""
    if not isinstance(element, dict) or "action_id" not in element:
        return []
    action = {"type": element["type"], "action_id": element["action_id"]}
    if element["type"] != "feedback_buttons":
        return [action | {k: element[k] for k in ("text", "value", "url") if k in element}]
    thumbs = (element["positive_button"], element["negative_button"])
    return [action | {"value": thumb["value"], "text": thumb["text"]} for thumb in thumbs]
