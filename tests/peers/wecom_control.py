"""What another process can tell a running WeCom over HTTP.

    POST /control/connect  {"base": "http://127.0.0.1:8080"}       where XiaoQ is
    POST /control/app      {"do": "says", "with": {"user": "lihua", "text": "在吗"}}
    POST /control/kf       {"do": "says", "with": {"user": "wmA", "text": "在吗"}}
    POST /control/aibot    {"do": "asks", "with": {"user": "lihua", "text": "在吗"}}
    GET  /control/app?user=lihua, /control/kf?user=wmA, /control/aibot?user=lihua   what was shown
    GET  /control/calls?since=N                                    the calls after number N

`do` is a verb of `App`, `KfDesk` or `AiBot`.
"""

from aiohttp import web
from peers.wecom_aibot import AiBot
from peers.wecom_corps import Corp
from peers.wecom_door import Door

VERBS = {
    "app": {"says", "enters", "happens"},
    "kf": {"says", "enters", "presses", "takes", "types", "hands", "ends", "receives", "recalls"},
    "aibot": {"asks", "enters", "presses"},
}


class Control:
    """The door beside the API: one corp with one app, one kf account and one AI bot."""

    def __init__(self, peer: Door, corp: Corp, bot: AiBot) -> None:
        self._peer = peer
        self._corp = corp
        self._bot = bot
        self._app = next(iter(corp.apps.values()))
        self._desk = next(iter(corp.kf.values()))

    def routes(self) -> list[web.RouteDef]:
        """Return what is served."""
        return [
            web.post("/control/connect", self.connect),
            web.get("/control/calls", self.calls),
            web.post("/control/{who}", self.act),
            web.get("/control/{who}", self.shown),
        ]

    async def connect(self, request: web.Request) -> web.Response:
        """Bring callbacks to an address from now on."""
        base = (await request.json())["base"].rstrip("/")
        self._corp.endpoint.url = f"{base}/wecom/callback"
        self._bot.endpoint.url = f"{base}/wecom/aibot"
        return web.json_response({"ok": True})

    async def act(self, request: web.Request) -> web.Response:
        """Let somebody do something."""
        order = await request.json()
        who = request.match_info["who"]
        if order["do"] not in VERBS.get(who, set()):
            raise web.HTTPNotFound
        actor = {"app": self._app, "kf": self._desk, "aibot": self._bot}[who]
        getattr(actor, order["do"])(**order["with"])
        return web.json_response({"ok": True})

    async def shown(self, request: web.Request) -> web.Response:
        """Return the texts that somebody was shown."""
        user = request.query.get("user", "")
        match request.match_info["who"]:
            case "app":
                return web.json_response(self._app.texts(user))
            case "kf":
                return web.json_response(self._desk.texts(user))
            case "aibot":
                return web.json_response([x.text for x in self._bot.exchanges if x.user == user])
        raise web.HTTPNotFound

    async def calls(self, request: web.Request) -> web.Response:
        """Return the calls after a number."""
        since = int(request.query.get("since", 0))
        names = ("number", "at", "corp", "method", "query", "body", "errcode")
        found = self._peer.calls[since:]
        return web.json_response([{name: getattr(c, name) for name in names} for c in found])
