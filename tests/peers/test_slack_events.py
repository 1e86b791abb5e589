import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from peers.slack import SlackPeer, slack_peer
from peers.slack_app import build_app, connect, serve_app, serve_route
from peers.slack_people import thread_of
from slack_bolt.async_app import AsyncApp
from slack_sdk.webhook.async_client import AsyncWebhookClient

THUMBS: dict[str, Any] = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "fb",
            "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "up"},
            "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "down"},
        }
    ],
}


@pytest.fixture
async def peer() -> AsyncIterator[SlackPeer]:
    async with slack_peer() as peer:
        peer.bot()
        yield peer


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
async def app(peer: SlackPeer, heard: list[dict[str, Any]]) -> AsyncIterator[AsyncApp]:
    app = build_app(peer)

    @app.event(re.compile(".*"))
    async def hear(event: dict[str, Any]) -> None:
        heard.append(event)
        await peer.note()

    async with serve_app(app) as url:
        peer.deliver_to(url)
        yield app


async def test_the_library_takes_an_event_and_the_challenge(
    peer: SlackPeer, app: AsyncApp, heard: list[dict[str, Any]]
) -> None:
    assert await peer.verify_url()
    delivery = await peer.message("hi &amp; <@U2> <https://a.example|b>")
    assert delivery.acked
    await peer.wait_for(lambda: heard)
    assert heard[0]["channel_type"] == "im"
    assert heard[0]["client_msg_id"]
    [section] = heard[0]["blocks"][0]["elements"]
    assert [e["type"] for e in section["elements"]] == ["text", "user", "text", "link"]
    assert section["elements"][0]["text"] == "hi & "


async def test_a_mention_comes_twice_with_one_timestamp(
    peer: SlackPeer, app: AsyncApp, heard: list[dict[str, Any]]
) -> None:
    one, two = await peer.mention("help", "C1")
    assert one.event_id != two.event_id
    await peer.wait_for(lambda: len(heard) == 2)
    assert {event["type"] for event in heard} == {"app_mention", "message"}
    assert len({(e["ts"], e["client_msg_id"], e["text"]) for e in heard}) == 1
    assert heard[0]["text"] == "<@UBOT> help"


async def test_every_kind_of_message_looks_like_slacks(
    peer: SlackPeer, app: AsyncApp, heard: list[dict[str, Any]]
) -> None:
    first = await peer.message("one", "C1")
    await peer.message("two", "C1", thread_ts=first.ts)
    await peer.edit("C1", first.ts, "one!")
    await peer.delete("C1", first.ts)
    await peer.join("G1", "U2")
    await peer.robot("beep", "C1", subtype="bot_message")
    await peer.share("a.txt", b"inside", "see", "C1")
    await peer.wait_for(lambda: len(heard) == 7)
    assert [event.get("subtype") for event in heard] == [
        None,
        None,
        "message_changed",
        "message_deleted",
        "channel_join",
        "bot_message",
        "file_share",
    ]
    assert heard[1]["thread_ts"] == first.ts
    assert heard[1]["parent_user_id"] == "U1"
    assert (heard[2]["message"]["text"], heard[2]["previous_message"]["text"]) == ("one!", "one")
    assert heard[3]["deleted_ts"] == first.ts
    assert heard[4]["channel_type"] == "group"
    assert "client_msg_id" not in heard[5]
    assert len({event["event_ts"] for event in heard}) == 7


async def test_a_private_file_opens_with_the_token_alone(peer: SlackPeer, app: AsyncApp) -> None:
    shared = await peer.share("a.txt", b"inside")
    url = shared.event["files"][0]["url_private"]
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": "Bearer xoxb-1"}
        async with session.get(url, headers=headers) as response:
            assert await response.read() == b"inside"
        async with session.get(url) as response:
            assert (response.status, response.content_type) == (200, "text/html")


async def test_the_assistant_and_the_home_open(
    peer: SlackPeer, app: AsyncApp, heard: list[dict[str, Any]]
) -> None:
    opened = await peer.open_assistant("U1")
    await peer.change_context("U1", thread_of(opened), {"channel_id": "C2"})
    await peer.open_home("U1")
    await peer.event({"type": "team_rename", "name": "New"})
    await peer.wait_for(lambda: len(heard) == 4)
    assert heard[1]["assistant_thread"]["thread_ts"] == thread_of(opened)
    status = connect(peer).assistant_threads_setStatus(
        channel_id=peer.dm("U1"), thread_ts=thread_of(opened), status="thinking"
    )
    assert (await status)["ok"]


async def test_what_is_not_acknowledged_comes_again_and_says_why(peer: SlackPeer) -> None:
    answers: list[Any] = [asyncio.Event().wait, 500, 302, 200]
    seen: list[web.Request] = []

    async def route(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        answer = answers[len(seen) - 1]
        if callable(answer):
            await answer()
        return web.Response(status=answer)

    peer.ack_seconds = 0.05
    peer.retry_delays = (0.0, 0.0, 0.0)
    async with serve_route(route) as url:
        peer.deliver_to(url)
        delivery = await peer.message("hi")
    assert delivery.acked
    reasons = ["http_timeout", "http_error", "http_error", None]
    assert [one.reason for one in delivery.tries] == reasons
    numbers = [request.headers.get("X-Slack-Retry-Num") for request in seen]
    assert numbers == [None, "1", "2", "3"]
    told = [request.headers.get("X-Slack-Retry-Reason") for request in seen]
    assert told == [None, *reasons[:3]]
    assert len({one.raw for one in delivery.tries}) == 1


async def test_three_further_tries_are_all_and_no_retry_means_none(peer: SlackPeer) -> None:
    headers: dict[str, str] = {}

    async def route(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, headers=headers)

    peer.retry_delays = (0.0, 0.0, 0.0)
    async with serve_route(route) as url:
        peer.deliver_to(url)
        given_up = await peer.message("hi")
        headers["X-Slack-No-Retry"] = "1"
        told = await peer.message("hi")
        headers.clear()
        command = await peer.command("/xiaoq")
    assert (given_up.acked, len(given_up.tries)) == (False, 4)
    assert (told.acked, len(told.tries)) == (False, 1)
    assert len(command.tries) == 1
    nobody = await peer.message("hi")
    assert nobody.tries[0].reason == "connection_failed"


async def test_the_library_refuses_what_slack_did_not_sign(peer: SlackPeer, app: AsyncApp) -> None:
    payload = peer.wrap(peer.write("hi"), peer.bots[0])
    assert (await peer.forge(payload)).status == 200
    for wrong in (
        await peer.forge(payload, secret="guess"),
        await peer.forge(payload, age=301),
        await peer.forge(payload, signature="v0=00"),
        await peer.forge(payload, mutate=lambda raw: raw.replace(b"hi", b"ho")),
        await peer.forge(payload, drop=("X-Slack-Signature",)),
    ):
        assert wrong.status == 401
    good = await peer.message("hi")
    assert (await peer.replay(good)).status == 200


async def test_a_command_is_answered_with_its_ack_and_over_its_url(
    peer: SlackPeer, app: AsyncApp
) -> None:
    @app.command("/xiaoq")
    async def listen(ack: Any, command: dict[str, Any]) -> None:
        await ack(f"looking for {command['text']}")

    delivery = await peer.command("/xiaoq", "leave")
    assert delivery.answer["text"] == "looking for leave"
    assert [(m.text, m.seen_by) for m in peer.ephemerals] == [("looking for leave", "U1")]
    late = AsyncWebhookClient(delivery.payload["response_url"])
    answers = [await late.send(text=str(number)) for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [404]
    assert json.loads(answers[5].body)["error"] == "used_url"
    assert len(peer.ephemerals) == 6
    peer.response_life = 0.0
    other = AsyncWebhookClient((await peer.command("/xiaoq")).payload["response_url"])
    assert json.loads((await other.send(text="x")).body)["error"] == "expired_url"


async def test_a_thumb_of_a_sent_message_is_pressed(peer: SlackPeer, app: AsyncApp) -> None:
    values: list[str] = []

    @app.action("fb")
    async def press(ack: Any, action: dict[str, Any], respond: Any) -> None:
        await ack()
        values.append(action["value"])
        await respond(text="thanks", replace_original=False)

    dm = peer.dm("U1")
    await connect(peer).chat_postMessage(channel=dm, text="answer", blocks=[THUMBS])
    [message] = peer.messages(dm)
    assert (await peer.press(message, value="down")).acked
    assert (await peer.press(message, "fb")).acked
    await peer.wait_for(lambda: len(peer.ephemerals) == 2)
    assert values == ["down", "up"]
    with pytest.raises(LookupError):
        await peer.press(message, value="sideways")


async def test_a_shortcut_opens_a_modal_and_it_is_submitted(peer: SlackPeer, app: AsyncApp) -> None:
    title = {"type": "plain_text", "text": "Answer"}
    view = {"type": "modal", "callback_id": "ask", "title": title, "blocks": []}

    @app.shortcut("answer_this")
    async def use(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    @app.view("ask")
    async def take(ack: Any) -> None:
        await ack(response_action="clear")

    event = peer.write("why?", "C1")
    shortcut = await peer.shortcut("answer_this", peer.known("C1", event["ts"]))
    assert shortcut.acked
    await peer.wait_for(lambda: peer.modals)
    submitted = await peer.submit(peer.modals[0], {})
    assert submitted.answer == {"response_action": "clear"}


async def test_two_bots_get_their_own_events(
    peer: SlackPeer, app: AsyncApp, heard: list[dict[str, Any]]
) -> None:
    second = peer.bot(
        token="xoxb-2", app_token="xapp-2", signing_secret="s2", user="UBOT2", bot_id="B2"
    )
    second.request_url = peer.bots[0].request_url
    assert (await peer.message("for the second", bot=second)).tries[0].status == 401
    assert heard == []
    assert peer.dm("U1") != peer.dm("U1", second)
