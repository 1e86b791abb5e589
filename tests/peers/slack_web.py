"""The Web API of the fake Slack over HTTP: how a call is read, refused and answered."""

import asyncio
import json
import math
import time
from typing import Any

from aiohttp import web
from peers.slack_faults import Fault
from peers.slack_methods import call_method, missing_scope
from peers.slack_records import Body, Bot, Call, SlackError
from peers.slack_state import Workspace

STRUCTURED = {"blocks", "chunks", "metadata", "view", "prompts", "attachments", "loading_messages"}
"""Arguments that are JSON inside a form."""


async def serve_call(peer: Workspace, request: web.Request) -> web.StreamResponse:
    """Answer one call: 200 with `ok` true or false, 429, or what a fault says."""
    method = request.match_info["method"]
    call = Call(time.time(), method, None, {}, request.method)
    if peer.remember:
        peer.calls.append(call)
    if peer.is_down:
        return await refuse(peer, request, call, peer.down_status)
    fault = peer.take_fault(method)
    if fault and fault.cut:
        return await refuse(peer, request, call, None)
    body, status, headers = await answer(peer, request, call, fault)
    call.status, call.error = status, body.get("error")
    await peer.note()
    await asyncio.sleep(peer.latency + (fault.slow if fault else 0.0))
    if fault and fault.lost:
        return await refuse(peer, request, call, None)
    if status >= 500:
        return web.Response(text="<html>Server Error</html>", status=status, headers=headers)
    return web.json_response(body, status=status, headers=headers)


async def refuse(
    peer: Workspace, request: web.Request, call: Call, status: int | None
) -> web.StreamResponse:
    """Answer with a bare status, or close the connection."""
    call.status = status or 0
    await peer.note()
    if status is None and request.transport is not None:
        request.transport.close()
    return web.Response(status=status or 500)


async def answer(
    peer: Workspace, request: web.Request, call: Call, fault: Fault | None
) -> tuple[Body, int, dict[str, str]]:
    """Return the answer of a call with its status and headers."""
    headers = {"x-slack-req-id": peer.new_id("req")}
    try:
        token, call.args = await read_args(request)
        call.bot = bot = find_bot(peer, token, call.method)
        if fault and fault.status and fault.status != 429:
            return {}, fault.status, headers
        headers["x-oauth-scopes"] = ",".join(bot.scopes)
        if fault and fault.status == 429:
            headers["Retry-After"] = str(int(fault.retry_after))
        elif wait := peer.wait_needed(call.method, token, str(call.args.get("channel"))):
            headers["Retry-After"] = str(math.ceil(wait))
        if "Retry-After" in headers:
            return {"ok": False, "error": "ratelimited"}, 429, headers
        if fault and fault.error:
            raise refusal(bot, fault)
        if call.method == "apps.connections.open":
            return {"ok": True, "url": socket_url(peer, request, bot)}, 200, headers
        return {"ok": True} | call_method(peer, bot, call.method, call.args), 200, headers
    except SlackError as error:
        return {"ok": False, "error": error.code} | error.extra, 200, headers


def refusal(bot: Bot, fault: Fault) -> SlackError:
    """Return the error that a fault asks for."""
    if fault.error == "missing_scope":
        return missing_scope(bot, fault.needed or "chat:write")
    return SlackError(str(fault.error))


def find_bot(peer: Workspace, token: str, method: str) -> Bot:
    """Return the bot of a token; an app token is good for connections only."""
    if not token:
        raise SlackError("not_authed")
    for bot in peer.bots:
        if token in (bot.token, bot.app_token):
            if (token == bot.app_token) != (method == "apps.connections.open"):
                raise SlackError("not_allowed_token_type")
            return bot
    raise SlackError("invalid_auth")


def socket_url(peer: Workspace, request: web.Request, bot: Bot) -> str:
    """Return the address of a new connection of Socket Mode, good once."""
    ticket = peer.new_id("ticket")
    peer.tickets[ticket] = bot
    return f"ws://{request.host}/socket/{ticket}?app_id={bot.app_id}"


async def read_args(request: web.Request) -> tuple[str, Body]:
    """Return the token and the arguments of a call: query, form, multipart or JSON."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    args: Body = dict(request.query)
    if request.method == "POST" and request.content_type == "application/json":
        args |= await read_json(request)
        args.pop("token", None)
    elif request.method == "POST":
        args |= dict(await request.post())
    given = str(args.pop("token", ""))
    args = {name: read_structured(name, value) for name, value in args.items()}
    return (token if scheme.lower() == "bearer" else given), args


async def read_json(request: web.Request) -> Body:
    """Return the object of a JSON body."""
    try:
        body = json.loads(await request.text() or "{}")
    except (ValueError, UnicodeDecodeError):
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def read_structured(name: str, value: Any) -> Any:
    """Return an argument, read from JSON if it stands in a form as text."""
    if name not in STRUCTURED or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise SlackError(
            "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
        ) from None
