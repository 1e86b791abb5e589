"""Telegram's Bot API on real aiohttp, for tests and benchmarks.

It keeps chats, checks what Telegram checks, delivers updates until they are confirmed, and fails
when told to. As a program it prints its address as one line of JSON and serves until it is
stopped; see `telegram_control` for what another process can tell it:

    python tests/peers/telegram.py --port 0 --token 123:abc
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web

if __name__ == "__main__":
    # The folder of this file holds modules called like libraries; that of the package is meant.
    sys.path[0] = str(Path(__file__).parents[1])

from peers.telegram_chats import Chat, Message
from peers.telegram_control import Control
from peers.telegram_delivery import Outbox, Post
from peers.telegram_door import Door
from peers.telegram_faults import Fault, RateLimits, Trouble
from peers.telegram_updates import BotAccount
from peers.telegram_wire import Body, Call

from core.tasks import beside


class TelegramPeer(Door):
    """A running Telegram: its bots and chats, what it saw, and what goes wrong with it."""

    def __init__(self, session: ClientSession, tasks: asyncio.TaskGroup) -> None:
        super().__init__()
        self.post = Post(session, tasks, self.news)
        """How webhooks are delivered: `timeout`, `first_wait`, `longest_wait` in seconds."""
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def base(self) -> str:
        """Return the `base_url` of a client."""
        return f"{self.url}/bot"

    @property
    def file_base(self) -> str:
        """Return the `base_file_url` of a client."""
        return f"{self.url}/file/bot"

    def bot(
        self,
        token: str = "123:abc",
        username: str = "xiaoq_bot",
        name: str = "小Q",
        *,
        privacy: bool = False,
    ) -> BotAccount:
        """Open a bot's account; with `privacy` it does not see everything said in groups."""
        user: Body = {
            "id": int(token.split(":", maxsplit=1)[0]),
            "is_bot": True,
            "first_name": name,
            "username": username,
            "can_join_groups": True,
            "can_read_all_group_messages": not privacy,
            "supports_inline_queries": False,
            "can_connect_to_business": True,
            "has_main_web_app": False,
        }
        self.bots[token] = BotAccount(token, user, self.world, Outbox(self.post))
        return self.bots[token]

    def group(self, chat_id: int, title: str = "", kind: str = "", *, forum: bool = False) -> Chat:
        """Open a group, supergroup or channel; see `World.group`."""
        return self.world.group(chat_id, title, kind, forum=forum)

    def messages(
        self, chat_id: int, *, scope: BotAccount | str | None = None, everyone: bool = False
    ) -> list[Message]:
        """Return what bots wrote, or everyone, and what stands in the chat now.

        `scope` is the bot or the business connection whose chat with the person is meant; without
        it those of all count.
        """
        key = scope.id if isinstance(scope, BotAccount) else scope
        chats = self.world.seen(chat_id, key)
        return [m for chat in chats for m in chat.messages.values() if everyone or m.by is not None]

    def texts(self, chat_id: int, *, scope: BotAccount | str | None = None) -> list[str]:
        """Return the texts of what bots wrote."""
        return [message.text for message in self.messages(chat_id, scope=scope)]

    def drafts(self, chat_id: int, *, scope: BotAccount | None = None) -> list[str]:
        """Return the texts of the drafts shown to a person, in order."""
        chats = self.world.seen(chat_id, scope and scope.id)
        return [draft.text for chat in chats for draft in chat.drafts]

    def called(self, method: str, chat_id: int | None = None) -> list[Call]:
        """Return the calls of a method, in one chat or in all."""
        return [
            call
            for call in self.calls
            if call.method == method and chat_id in {None, call.parameters.get("chat_id")}
        ]

    def pending(self, bot: BotAccount) -> list[Body]:
        """Return the updates that a bot has not confirmed."""
        return bot.outbox.pending

    async def all_acknowledged(self, bot: BotAccount, seconds: float = 30.0) -> None:
        """Wait until a bot has confirmed every update."""
        await self.news.until(lambda: not bot.outbox.pending, seconds)

    async def wait_for(self, wanted: Callable[[], bool] | int, seconds: float = 30.0) -> None:
        """Wait until something is true of the peer, or for a number of messages by bots.

        Looked at when a call arrives, when it is answered, and when an update is confirmed;
        `TimeoutError` after so many seconds.
        """
        if not isinstance(wanted, int):
            return await self.news.until(wanted, seconds)
        return await self.news.until(lambda: self.sent >= wanted, seconds)

    def fail(
        self, method: str, trouble: Trouble = 502, *, times: int = 1, seconds: float = 0.5
    ) -> None:
        """Let the next calls of a method fail; "*" is any, a poll too, and "file" a download.

        `seconds` is how late a "slow" answer is.
        """
        self.faults.scripted.append(Fault(method, trouble, times, seconds))

    def flood(self, chat_id: int, seconds: float) -> None:
        """Refuse everything written to a chat for a time, with 429."""
        self.faults.floods[chat_id] = self.faults.clock() + seconds

    def storm(self, times: int, retry_after: int = 1) -> None:
        """Refuse the next calls of any kind with 429."""
        self.faults.storm.extend([retry_after] * times)

    def limit(self, limits: RateLimits | None = RateLimits()) -> None:  # noqa: B008
        """Enforce rates from now on; None ends that."""
        self.faults.limit(limits)

    async def down(self) -> None:
        """Go away: connections are refused, open ones are cut and no webhook is called."""
        self.post.up.clear()
        if self._site is not None and self._runner is not None:
            await self._site.stop()
            server = self._runner.server
            for connection in server.connections if server else []:
                if connection.transport is not None:
                    connection.transport.abort()

    async def up(self, runner: web.AppRunner | None = None, port: int = 0) -> None:
        """Come back at the same address."""
        self._runner = runner or self._runner
        if self._runner is None:
            raise RuntimeError("never opened")
        port = int(self.url.rpartition(":")[2]) if self.url else port
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await self._site.start()
        self.url = self.url or f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.post.up.set()


@asynccontextmanager
async def telegram_peer(port: int = 0) -> AsyncIterator[TelegramPeer]:
    """Serve a peer; leaving the context stops it at once."""
    ready: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()

    async def deliveries() -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(tasks)
            await asyncio.Event().wait()

    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector) as session, beside(deliveries()):
        peer = TelegramPeer(session, await ready)
        app = web.Application(client_max_size=64 * 1_048_576)
        app.router.add_route("*", "/bot{token:[^/]+}/{method}", peer.serve)
        app.router.add_get("/file/bot{token:[^/]+}/{path:.+}", peer.serve)
        app.add_routes(Control(peer.bots, peer.calls).routes())
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
        await runner.setup()
        try:
            await peer.up(runner, port)
            yield peer
        finally:
            await runner.cleanup()


async def run(port: int, tokens: list[str]) -> None:
    """Serve bots until cancelled."""
    async with telegram_peer(port) as peer:
        for number, token in enumerate(tokens or ["123:abc"], 1):
            peer.bot(token, f"xiaoq{number}_bot")
        line = {"base": peer.base, "file_base": peer.file_base, "control": f"{peer.url}/control"}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one")
    parser.add_argument("--token", action="append", default=[], help="a bot's token; repeatable")
    args = parser.parse_args()
    try:
        asyncio.run(run(args.port, args.token))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
