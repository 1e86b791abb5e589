"""The two doors of the fake Slack beside its API: response URLs and private files."""

import json
import time

from aiohttp import web
from peers.slack_chat import look, write
from peers.slack_clicks import USES, Clicks, ResponseUrl
from peers.slack_records import Body, SlackError


async def serve_response_url(peer: Clicks, request: web.Request) -> web.StreamResponse:
    """Take an app's late answer to a command or click: five of them in half an hour."""
    if peer.is_down:
        return web.Response(status=peer.down_status or 503)
    place = peer.response_urls.get(request.match_info["id"])
    try:
        body = json.loads(await request.text())
        use(peer, place)
        assert place is not None
        answer_click(peer, place, body)
    except ValueError:
        return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
    except SlackError as error:
        return web.json_response({"ok": False, "error": error.code}, status=404)
    await peer.note()
    return web.Response(text="ok")


def use(peer: Clicks, place: ResponseUrl | None) -> None:
    """Count a use of a response URL."""
    if place is None:
        raise SlackError("no_such_url")
    if time.monotonic() - place.issued > peer.response_life:
        raise SlackError("expired_url")
    if place.uses >= USES:
        raise SlackError("used_url")
    place.uses += 1


def answer_click(peer: Clicks, place: ResponseUrl, body: Body) -> None:
    """Replace, delete or add a message, as the answer says."""
    shown = [*peer.ephemerals, *peer.history(place.channel)]
    clicked = next((m for m in shown if place.ts and m.ts == place.ts), None)
    if body.get("delete_original"):
        if clicked is not None:
            clicked.deleted = True
        return
    message = write(peer, place.bot, peer.channel(place.channel), body)
    if body.get("replace_original") and clicked is not None:
        clicked.text, clicked.blocks = message.text, message.blocks
        clicked.edits += 1
        look(peer, clicked)
    elif body.get("response_type") == "in_channel":
        peer.add(message)
    else:
        message.seen_by = place.user
        peer.ephemerals.append(message)


async def serve_file(peer: Clicks, request: web.Request) -> web.StreamResponse:
    """Hand out a private file; whoever may not read it gets the login page with status 200."""
    file = peer.files.get(request.match_info["id"])
    if file is None:
        return web.Response(status=404)
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    bot = next((bot for bot in peer.bots if bot.token == given), None)
    if bot is None or "files:read" not in bot.scopes:
        return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
    return web.Response(body=file["content"], content_type=file["mimetype"])
