"""How another process tells the fake Slack what to do.

    POST /control/event        {"act": "message", "text": "hi", "wait": true, ...}
    POST /control/{verb}       {...arguments...}     see VERBS
    GET  /control/calls?since=0&wait=5
    GET  /control/messages?channel=D1&thread_ts=...
    GET  /control/state

`act` is a coroutine of the peer (ACTS) and the other keys are its arguments; `bot` is a token.
With `"wait": false` the answer comes before the delivery. Every answer is a JSON object.
"""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from peers.slack_clicks import Clicks
from peers.slack_delivery import Delivery
from peers.slack_records import Body, Bot, Message

ACTS = ("message", "mention", "edit", "delete", "event", "robot", "command", "open_home")
ACTS += ("open_assistant", "join")
VERBS = ("bot", "user", "channel", "deliver_to", "fail", "lose", "slow", "storm", "flood")
VERBS += ("down", "up", "set")
TUNABLE = ("latency", "limits", "remember", "ack_seconds", "retry_delays", "stream_seconds")


def add_control(app: web.Application, peer: Clicks) -> None:
    """Add the routes of a peer's control."""
    control = Control(peer)
    app.router.add_post("/control/event", control.event)
    app.router.add_post("/control/press", control.press)
    app.router.add_post("/control/{verb}", control.verb)
    app.router.add_get("/control/calls", control.calls)
    app.router.add_get("/control/messages", control.messages)
    app.router.add_get("/control/state", control.state)
    app.on_cleanup.append(control.stop)


class Control:
    """The control of one peer."""

    def __init__(self, peer: Clicks) -> None:
        self._peer = peer
        self._tasks: set[asyncio.Task[object]] = set()

    async def stop(self, _app: web.Application) -> None:
        """Drop the deliveries nobody waits for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def event(self, request: web.Request) -> web.Response:
        """Let a person act."""
        args = await request.json()
        act = args.pop("act", "message")
        if act not in ACTS:
            raise web.HTTPNotFound(text=f"no act {act}")
        return await self._deliver(getattr(self._peer, act), args)

    async def press(self, request: web.Request) -> web.Response:
        """Press a button of the message named by `channel` and `ts`."""
        args = await request.json()
        message = self._peer.known(args.pop("channel"), args.pop("ts"))
        return await self._deliver(self._peer.press, args | {"message": message})

    async def verb(self, request: web.Request) -> web.Response:
        """Set something up."""
        verb, args = request.match_info["verb"], self._with_bot(await request.json())
        if verb not in VERBS:
            raise web.HTTPNotFound(text=f"no verb {verb}")
        if verb == "set":
            for name in TUNABLE:
                if name in args:
                    setattr(self._peer, name, args[name])
        else:
            getattr(self._peer, verb)(**args)
        return web.json_response({"ok": True})

    async def calls(self, request: web.Request) -> web.Response:
        """Return the calls from number `since`; with `wait` at most so many seconds for one."""
        since, wait = int(request.query.get("since", 0)), float(request.query.get("wait", 0))
        if wait:
            try:
                await self._peer.wait_for(lambda: len(self._peer.calls) > since, wait)
            except TimeoutError:
                return web.json_response({"calls": [], "next": since})
        calls = self._peer.calls[since:]
        body = {"calls": [describe(call) for call in calls], "next": since + len(calls)}
        return web.json_response(body, dumps=dump)

    async def messages(self, request: web.Request) -> web.Response:
        """Return what bots wrote, in its present state."""
        found = self._peer.messages(request.query.get("channel"), request.query.get("thread_ts"))
        return web.json_response({"messages": [show(message) for message in found]})

    async def state(self, _request: web.Request) -> web.Response:
        """Return counts: deliveries, acknowledged ones, open connections, streams, pings."""
        peer = self._peer
        return web.json_response(
            {
                "calls": len(peer.calls),
                "deliveries": len(peer.deliveries),
                "acked": sum(delivery.acked for delivery in peer.deliveries),
                "sockets": len(peer.sockets.open),
                "streams_open": sum(stream.open for stream in peer.streams),
                "pings": [dataclasses.asdict(ping) for ping in peer.pings],
            }
        )

    async def _deliver(
        self, act: Callable[..., Awaitable[Delivery | list[Delivery]]], args: Body
    ) -> web.Response:
        wait = args.pop("wait", True)
        done = asyncio.ensure_future(act(**self._with_bot(args)))
        if not wait:
            self._tasks.add(done)
            done.add_done_callback(self._tasks.discard)
            return web.json_response({"ok": True})
        made = await done
        deliveries = made if isinstance(made, list) else [made]
        return web.json_response({"deliveries": [describe_delivery(d) for d in deliveries]})

    def _with_bot(self, args: Body) -> Body:
        if not isinstance(args.get("bot"), str):
            return args
        return args | {"bot": next(b for b in self._peer.bots if b.token == args["bot"])}


def describe(thing: Any) -> Body:
    """Return a call without the secrets of its bot."""
    fields = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}
    bot = fields.pop("bot")
    return fields | {"bot": bot.token if isinstance(bot, Bot) else None}


def describe_delivery(delivery: Delivery) -> Body:
    """Return what became of a delivery."""
    return {
        "kind": delivery.kind,
        "event_id": delivery.event_id,
        "channel": delivery.channel,
        "ts": delivery.ts,
        "acked": delivery.acked,
        "tries": [{"status": t.status, "reason": t.reason, "seconds": t.seconds}
                  for t in delivery.tries],
    }  # fmt: skip


def show(message: Message) -> Body:
    """Return a message as a reader sees it."""
    return message.as_slack() | {
        "channel": message.channel,
        "shown": message.shown,
        "edits": message.edits,
        "streaming": message.streaming,
    }


def dump(body: object) -> str:
    """Write JSON, and what is not JSON as text."""
    return json.dumps(body, default=str, ensure_ascii=False)
