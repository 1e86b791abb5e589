"""The door of the Bot API: which bot calls what, and what comes back."""

import asyncio
import time

from aiohttp import web
from peers.telegram_chats import Chat, World
from peers.telegram_faults import Fault, Faults
from peers.telegram_methods import find_method
from peers.telegram_updates import BotAccount
from peers.telegram_wire import Body, Call, News, RefusedError, read_parameters


class Door:
    """Takes calls, notes them, and answers them or fails as told."""

    def __init__(self) -> None:
        self.world = World()
        self.bots: dict[str, BotAccount] = {}
        """By token."""
        self.calls: list[Call] = []
        """Calls of methods and downloads of files, in the order of arrival."""
        self.sent = 0
        """Messages that bots have sent."""
        self.latency = 0.0
        """Seconds before any call is looked at."""
        self.news = News()
        self.faults = Faults()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve a method or a file."""
        try:
            parameters = await read_parameters(request)
        except RefusedError as refusal:
            return refusal.response()
        method = request.match_info.get("method", "file")
        bot = self.bots.get(request.match_info["token"])
        name = str(bot.user["username"]) if bot else ""
        call = Call(len(self.calls) + 1, time.monotonic(), name, method, parameters)
        self.calls.append(call)
        self.news.tell()
        try:
            return await self._answer(request, bot, call)
        finally:
            self.news.tell()

    async def _answer(
        self, request: web.Request, bot: BotAccount | None, call: Call
    ) -> web.StreamResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.faults.meet(call.method)
        if fault is not None and fault.trouble not in {"slow", "lost"}:
            return await _fail(request, fault, call)
        if fault is not None and fault.trouble == "slow":
            await asyncio.sleep(fault.seconds)
        try:
            response = await self._perform(request, bot, call)
            call.status = 200
        except RefusedError as refusal:
            call.status = refusal.code
            response = refusal.response()
        if fault is not None and fault.trouble == "lost":
            _cut(request)
        return response

    async def _perform(
        self, request: web.Request, bot: BotAccount | None, call: Call
    ) -> web.StreamResponse:
        if bot is None:
            raise RefusedError(401, "Unauthorized")
        if path := request.match_info.get("path"):
            return _file(bot, path)
        call.method, method = find_method(call.method)
        chat = self._chat(bot, call.parameters)
        self.faults.check_rate(bot.id, call.method, chat)
        call.result = await method(self.world, bot, call.parameters)
        self.sent += call.method == "sendMessage"
        return web.json_response({"ok": True, "result": call.result})

    def _chat(self, bot: BotAccount, parameters: Body) -> Chat | None:
        scope = parameters.get("business_connection_id") or bot.id
        return self.world.at(parameters.get("chat_id"), scope)


def _file(bot: BotAccount, path: str) -> web.Response:
    for file in bot.files.values():
        if file.path == path:
            return web.Response(body=file.data)
    raise RefusedError(404, "Not Found")


async def _fail(request: web.Request, fault: Fault, call: Call) -> web.Response:
    if fault.trouble == "hang":
        await asyncio.Event().wait()
    if not isinstance(fault.trouble, int):
        _cut(request)
        return web.Response()
    call.status = fault.trouble
    if fault.trouble == 502:
        return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>")
    return RefusedError(fault.trouble, "Internal Server Error").response()


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
