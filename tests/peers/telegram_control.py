"""What another process can tell a running Telegram peer over HTTP.

`POST /control/update` makes people do something: `{"token": "123:abc", "do": "says", "with":
{"user_id": 7, "text": "在吗"}}` calls a verb of `BotAccount`, `{"token": ..., "update": {...}}`
sends an update as it is. `GET /control/calls?since=N` returns the calls after number N,
`GET /control/pending` how many updates each bot has not confirmed.
"""

from aiohttp import web
from peers.telegram_updates import BotAccount
from peers.telegram_wire import Call

VERBS = {"says", "presses", "connects", "blocks", "unblocks", "is_added", "is_kicked"}


class Control:
    """The door beside the Bot API."""

    def __init__(self, bots: dict[str, BotAccount], calls: list[Call]) -> None:
        self._bots = bots
        self._calls = calls

    def routes(self) -> list[web.RouteDef]:
        """Return what is served."""
        return [
            web.post("/control/update", self.update),
            web.get("/control/calls", self.calls),
            web.get("/control/pending", self.pending),
        ]

    async def update(self, request: web.Request) -> web.Response:
        """Make people do something and return the update it made."""
        order = await request.json()
        bot = self._bots[order["token"]]
        if "update" in order:
            bot.deliver(order["update"])
            return web.json_response(order["update"])
        if order["do"] not in VERBS:
            raise web.HTTPNotFound
        return web.json_response(getattr(bot, order["do"])(**order["with"]))

    async def calls(self, request: web.Request) -> web.Response:
        """Return the calls after a number."""
        since = int(request.query.get("since", 0))
        names = ("number", "at", "bot", "method", "parameters", "status")
        return web.json_response([{n: getattr(c, n) for n in names} for c in self._calls[since:]])

    async def pending(self, _request: web.Request) -> web.Response:
        """Return the number of unconfirmed updates by token."""
        return web.json_response({t: len(bot.outbox.pending) for t, bot in self._bots.items()})
