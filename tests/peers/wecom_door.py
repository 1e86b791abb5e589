"""The door of WeCom's API: who calls what, and what comes back."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from peers import wecom_app_methods as app_methods
from peers import wecom_kf_methods as kf_methods
from peers import wecom_kf_sending as kf_sending
from peers.telegram_wire import News
from peers.wecom_aibot import AiBot
from peers.wecom_corps import Corp
from peers.wecom_faults import Fault, Faults
from peers.wecom_media import download, upload
from peers.wecom_tokens import Secret, Tokens
from peers.wecom_wire import Body, Call, Clock, Ids, RefusedError, invalid

KF: dict[str, Callable[[Corp, Body], Awaitable[Body]]] = {
    "kf/sync_msg": kf_methods.sync_msg,
    "kf/send_msg": kf_sending.send_msg,
    "kf/send_msg_on_event": kf_sending.send_msg_on_event,
    "kf/service_state/get": kf_methods.get_state,
    "kf/service_state/trans": kf_methods.move_state,
    "kf/servicer/list": kf_methods.list_servicers,
    "kf/servicer/add": kf_methods.add_servicers,
    "kf/servicer/del": kf_methods.delete_servicers,
    "kf/account/list": kf_methods.list_accounts,
    "kf/add_contact_way": kf_methods.add_contact_way,
    "kf/customer/batchget": kf_methods.get_customers,
}
APP: dict[str, Callable[[Corp, Body, Secret], Awaitable[Body]]] = {
    "message/send": app_methods.send_message,
    "message/update_template_card": app_methods.update_card,
    "message/recall": app_methods.recall_message,
    "agent/get": app_methods.get_agent,
    "getcallbackip": app_methods.get_callback_ip,
}
QUERIES = {"kf/servicer/list", "agent/get", "getcallbackip", "media/get"}
"""Called with GET; everything else with POST."""


class Door:
    """Takes calls, notes them, and answers them or fails as told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ids = Ids()
        self.tokens = Tokens(self.clock)
        self.corps: dict[str, Corp] = {}
        self.bots: dict[str, AiBot] = {}
        self.calls: list[Call] = []
        """Calls in the order of arrival, those of `gettoken` too."""
        self.latency = 0.0
        """Seconds before any call is looked at."""
        self.skew = 0.0
        """How far the `Date` of answers is ahead of the true time, in seconds."""
        self.news = News()
        self.faults = Faults()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one call of the API."""
        query = dict(request.query)
        method, token = request.match_info["method"], query.pop("access_token", "")
        call = Call(len(self.calls) + 1, time.monotonic(), method, query, {}, token)
        self.calls.append(call)
        self.news.tell()
        try:
            return await self._answer(request, call)
        finally:
            self.news.tell()

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.faults.meet(call.method)
        if fault is not None and fault.trouble not in {"slow", "lost"}:
            return await _fail(request, fault, call)
        if fault is not None and fault.trouble == "slow":
            await asyncio.sleep(fault.seconds)
        try:
            response = await self._perform(request, call)
            call.errcode = 0
        except RefusedError as refusal:
            call.errcode = refusal.code
            response = refusal.response()
        if self.skew:
            stamp = time.gmtime(time.time() + self.skew)
            response.headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", stamp)
        if fault is not None and fault.trouble == "lost":
            _cut(request)
        return response

    async def _perform(self, request: web.Request, call: Call) -> web.Response:
        if call.method == "gettoken":
            token = self.tokens.give(call.query.get("corpid", ""), call.query.get("corpsecret", ""))
            return _ok(call, {"access_token": token.value, "expires_in": int(self.tokens.lifetime)})
        if call.method == "aibot/response":
            call.body = await _read(request)
            return _ok(
                call, self._find_bot(call).answer_later(call.query["response_code"], call.body)
            )
        secret = self.tokens.owner(call.token)
        corp = self.corps[secret.corp]
        call.corp = corp.id
        if not corp.is_trusted:
            raise RefusedError(60020, "not allow to access from your ip")
        if (request.method == "GET") != (call.method in QUERIES):
            raise RefusedError(43001 if request.method == "POST" else 43002, "wrong http method")
        if call.method == "media/get":
            return download(corp, call.query.get("media_id", ""))
        if call.method == "media/upload":
            self.faults.check_rate(corp.id, call.method, {})
            return _ok(call, await upload(corp, request))
        call.body = await _read(request) if request.method == "POST" else {}
        self.faults.check_rate(corp.id, call.method, call.body)
        return _ok(call, await _dispatch(corp, secret, call))

    def _find_bot(self, call: Call) -> AiBot:
        for bot in self.bots.values():
            if bot.knows(call.query.get("response_code", "")):
                return bot
        raise RefusedError(40029, "invalid response_code")


async def _dispatch(corp: Corp, secret: Secret, call: Call) -> Body:
    body = call.query | call.body
    if call.method in KF:
        if not secret.may_call_kf:
            raise RefusedError(48002, "api forbidden")
        return await KF[call.method](corp, body)
    if call.method in APP:
        return await APP[call.method](corp, body, secret)
    raise RefusedError(-1, "no such method")


async def _read(request: web.Request) -> Body:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("Warning: wrong json format")
    return body


def _ok(call: Call, answer: Body) -> web.Response:
    call.answer = {"errcode": 0, "errmsg": "ok"} | answer
    return web.json_response(call.answer)


async def _fail(request: web.Request, fault: Fault, call: Call) -> web.Response:
    if fault.errcode:
        call.errcode = fault.errcode
        return RefusedError(fault.errcode, "as the test asked").response()
    if fault.trouble == "hang":
        await asyncio.Event().wait()
    if not isinstance(fault.trouble, int):
        _cut(request)
        return web.Response()
    return web.Response(status=fault.trouble, text="<html><h1>Bad Gateway</h1></html>")


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
