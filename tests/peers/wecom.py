"""WeCom's servers on real aiohttp, for tests and benchmarks.

They keep corps with apps, members, kf accounts and AI bots, check what WeCom checks, bring
callbacks until they are taken or three tries failed, and fail when told to. As a program it prints
the settings of XiaoQ for it and the address of its `wecom_control` as one line of JSON and serves
until it is stopped:

    python tests/peers/wecom.py --port 0
"""

import argparse
import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web

if __name__ == "__main__":
    # The folder of this file holds modules called like libraries; that of the package is meant.
    sys.path[0] = str(Path(__file__).parents[1])

from peers.wecom_aibot import AiBot
from peers.wecom_aibot_socket import Socket, serve_socket
from peers.wecom_callbacks import Courier, Endpoint
from peers.wecom_control import Control
from peers.wecom_corps import Corp
from peers.wecom_door import Door
from peers.wecom_faults import Fault, RateLimits, Trouble
from peers.wecom_wire import Call

from core.tasks import beside


class WeComPeer(Door):
    """A running WeCom: its corps, what it saw, and what goes wrong with it."""

    def __init__(self, session: ClientSession, tasks: asyncio.TaskGroup) -> None:
        super().__init__()
        self.courier = Courier(tasks, session, self.news)
        """How callbacks are brought: `ack_seconds`, `pause_seconds`."""
        self.url = ""
        """What a client takes for `https://qyapi.weixin.qq.com`."""
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def api_base(self) -> str:
        """Return the address that stands before the names of methods."""
        return f"{self.url}/cgi-bin/"

    @property
    def socket_url(self) -> str:
        """Return what a client takes for `wss://openws.work.weixin.qq.com`."""
        return f"ws{self.url.removeprefix('http')}/"

    def corp(self, corp_id: str = "wwcorp1", token: str = "", aes_key: str = "") -> Corp:
        """Open a corp; its callbacks go nowhere until `endpoint.url` is set."""
        endpoint = Endpoint(token or f"token{corp_id}", aes_key or key_of(corp_id), corp_id)
        self.tokens.corps.add(corp_id)
        parts = (self.courier, self.tokens, self.clock, self.ids)
        self.corps[corp_id] = Corp(corp_id, endpoint, *parts)
        return self.corps[corp_id]

    def aibot(
        self, bot_id: str = "AIB", secret: str = "", *, long_connection: bool = False
    ) -> AiBot:
        """Make an AI bot that is called back or, in the other mode, holds a long connection."""
        endpoint = Endpoint(f"token{bot_id}", key_of(bot_id), "", "json")
        bot = AiBot(bot_id, endpoint, secret or f"secret{bot_id}", self.courier, self.clock)
        bot.url = self.url
        bot.socket.is_used = long_connection
        self.bots[bot_id] = bot
        return bot

    async def serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve long connections."""
        return await serve_socket(self._socket_of, request)

    async def serve_file(self, request: web.Request) -> web.Response:
        """Serve what people sent to an AI bot."""
        bot = self.bots.get(request.match_info["bot"])
        return bot.give_file(request.match_info["name"]) if bot else web.Response(status=404)

    def _socket_of(self, bot_id: str) -> Socket | None:
        return self.bots[bot_id].socket if bot_id in self.bots else None

    def called(self, method: str) -> list[Call]:
        """Return the calls of a method."""
        return [call for call in self.calls if call.method == method]

    async def all_acknowledged(self, seconds: float = 30.0) -> None:
        """Wait until every callback was taken or given up."""
        await self.wait_for(lambda: all(d.over for d in self.courier.deliveries), seconds)

    async def wait_for(self, wanted: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something is true of the peer; `TimeoutError` after so many seconds.

        Looked at when a call arrives, when it is answered, and when a callback is over.
        """
        await self.news.until(wanted, seconds)

    def fail(
        self, method: str, trouble: Trouble = 502, *, times: int = 1, seconds: float = 0.5
    ) -> None:
        """Let the next calls of a method fail; "*" is any. `seconds`: how late a "slow" one is."""
        self.faults.scripted.append(Fault(method, trouble, times, seconds))

    def refuse(self, method: str, errcode: int, *, times: int = 1) -> None:
        """Answer the next calls of a method with an `errcode`."""
        self.faults.scripted.append(Fault(method, 200, times, errcode=errcode))

    def storm(self, times: int) -> None:
        """Refuse the next calls of any kind but `gettoken`s with 45009."""
        for method in ("kf/sync_msg", "kf/send_msg", "message/send", "kf/service_state/get"):
            self.refuse(method, 45009, times=times)

    def limit(self, limits: RateLimits | None = RateLimits()) -> None:  # noqa: B008
        """Enforce rates from now on; None ends that."""
        self.faults.limits = limits

    async def down(self) -> None:
        """Go away: connections are refused and open ones are cut; callbacks still go out."""
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


def key_of(name: str) -> str:
    """Return an EncodingAESKey made of a name."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=")


@asynccontextmanager
async def wecom_peer(
    port: int = 0, control: Callable[[WeComPeer], Control] | None = None
) -> AsyncIterator[WeComPeer]:
    """Serve a peer; leaving the context stops it at once."""
    ready: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()

    async def deliveries() -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(tasks)
            await asyncio.Event().wait()

    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector) as session, beside(deliveries()):
        peer = WeComPeer(session, await ready)
        app = web.Application(client_max_size=64 * 1_048_576)
        app.router.add_get("/", peer.serve_socket)
        app.router.add_get("/aibot/media/{bot}/{name}", peer.serve_file)
        app.router.add_route("*", "/cgi-bin/{method:.+}", peer.serve)
        if control is not None:
            app.add_routes(control(peer).routes())
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
        await runner.setup()
        try:
            await peer.up(runner, port)
            yield peer
        finally:
            await runner.cleanup()


def found(peer: WeComPeer) -> Control:
    """Open a corp with everything for the program."""
    corp, bot = peer.corp(), peer.aibot()
    corp.app(1000002, "app-secret", {"lihua", "zhangwei"})
    corp.kf_account("wkAAA", "zhangwei")
    return Control(peer, corp, bot)


async def run(port: int) -> None:
    """Serve until cancelled."""
    async with wecom_peer(port, found) as peer:
        corp, bot = peer.corps["wwcorp1"], peer.bots["AIB"]
        settings = {
            "CORP_ID": corp.id,
            "AGENT_ID": "1000002",
            "APP_SECRET": "app-secret",
            "KF_SECRET": "app-secret",
            "CALLBACK_TOKEN": corp.endpoint.token,
            "ENCODING_AES_KEY": corp.endpoint.aes_key,
            "API_BASE": peer.api_base,
            "AIBOT_TOKEN": bot.endpoint.token,
            "AIBOT_AES_KEY": bot.endpoint.aes_key,
        }
        line = {"control": f"{peer.url}/control"}
        line |= {f"XIAOQ_WECOM__{name}": value for name, value in settings.items()}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one")
    try:
        asyncio.run(run(parser.parse_args().port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
