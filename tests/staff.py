"""XiaoQ at work for the staff of a small company: what tests on Slack have in common."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from company import running, settings_for
from peers.model import DONE, Behaviour, ModelPeer, chunk, stream
from peers.slack import SlackPeer
from peers.slack_records import Bot, Message

from bots.house import House, Role
from config.settings import Settings


@dataclass(frozen=True)
class Office:
    """A company with a Slack."""

    folder: Path
    redis_url: str
    peer: SlackPeer

    def settings(
        self, *bots: Bot, sockets: bool = False, model: ModelPeer | None = None, **more: Any
    ) -> Settings:
        """Settings for the bots given; `slack` in `more` goes into every account."""
        every = more.pop("slack", {})
        accounts = tuple(
            self._account(bot, name, sockets) | every
            for bot, name in zip(bots, ("main", "second"), strict=False)
        )
        if model:
            endpoint = {"url": model.url, "model": "peer"}
            more["inference"] = {"endpoints": [endpoint], "first_token_seconds": 2}
        return settings_for(self.folder, self.redis_url, slack=accounts, **more)

    @asynccontextmanager
    async def open(
        self, *bots: Bot, role: Role = Role.ALL, **more: Any
    ) -> AsyncGenerator[House, None]:
        """XiaoQ at work; Slack calls it over HTTP unless it is in Socket Mode."""
        settings = self.settings(*bots, **more)
        async with running(settings, role) as house:
            if not more.get("sockets") and role is not Role.WORKER:
                self.call(house, *bots)
            yield house

    def call(self, house: House, *bots: Bot) -> None:
        """Have Slack call a house."""
        http = house.settings.http
        for bot, account in zip(bots, house.settings.slack, strict=False):
            path = "" if account.name == "main" else f"/{account.name}"
            self.peer.deliver_to(f"http://{http.host}:{http.port}/slack/events{path}", bot)

    def _account(self, bot: Bot, name: str, sockets: bool) -> dict[str, Any]:
        way = {"app_token": bot.app_token} if sockets else {"signing_secret": bot.signing_secret}
        return {"name": name, "bot_token": bot.token, "api_base": self.peer.base, **way}


def says(*pieces: str, delay: float = 0.0) -> Behaviour:
    """A model's stream of just these pieces."""
    parts = [part for piece in pieces for part in (delay, chunk(piece))]
    return stream(*parts, chunk(finish="stop"), DONE)


def has_thumbs(message: Message) -> bool:
    """Whether an answer has come to its end; fixed sentences have none."""
    return any(block["type"] in ("context_actions", "actions") for block in message.blocks)


def finished(peer: SlackPeer, channel: str | None = None) -> list[Message]:
    """The answers that will not change any more, oldest first."""
    return [m for m in peer.messages(channel) if m.metadata and not m.streaming]


async def nothing_left(house: House) -> None:
    """Wait until every message that was taken is done."""
    async with asyncio.timeout(30):
        while (await house.inbox.depth())[0]:
            await asyncio.sleep(0.01)


async def answer_in(peer: SlackPeer, channel: str | None = None, count: int = 1) -> Message:
    """The latest of so many finished answers."""
    await peer.wait_for(lambda: len(finished(peer, channel)) >= count)
    return finished(peer, channel)[-1]
