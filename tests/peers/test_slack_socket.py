import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from peers.slack import SlackPeer, slack_peer
from peers.slack_app import build_app, connect
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def peer() -> AsyncIterator[SlackPeer]:
    async with slack_peer() as peer:
        peer.bot()
        peer.retry_delays = (0.0, 0.0, 0.0)
        yield peer


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def dial(peer: SlackPeer, session: aiohttp.ClientSession) -> Socket:
    opened = await connect(peer).apps_connections_open(app_token="xapp-1")
    socket = await session.ws_connect(opened["url"])
    assert (await socket.receive_json())["type"] == "hello"
    return socket


async def ack(socket: Socket, envelope: dict[str, Any], **more: Any) -> None:
    await socket.send_json({"envelope_id": envelope["envelope_id"]} | more)


@asynccontextmanager
async def bolt(peer: SlackPeer, heard: list[str]) -> AsyncIterator[AsyncSocketModeHandler]:
    app = build_app(peer)

    @app.event("message")
    async def hear(event: dict[str, Any]) -> None:
        heard.append(event["text"])
        await peer.note()

    @app.command("/xiaoq")
    async def listen(ack: Any) -> None:
        await ack("working")

    handler = AsyncSocketModeHandler(app, "xapp-1", ping_interval=0.1)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


async def test_the_library_takes_events_and_commands(peer: SlackPeer) -> None:
    heard: list[str] = []
    async with bolt(peer, heard):
        delivery = await peer.message("hi")
        assert (delivery.acked, len(delivery.tries)) == (True, 1)
        await peer.wait_for(lambda: heard == ["hi"])
        assert (await peer.command("/xiaoq")).answer["text"] == "working"
        assert [m.text for m in peer.ephemerals] == ["working"]
        await peer.wait_for(lambda: peer.sockets.open[0].pings)


async def test_the_library_comes_back_after_a_refresh_and_after_a_hard_end(
    peer: SlackPeer,
) -> None:
    heard: list[str] = []
    async with bolt(peer, heard):
        await peer.sockets.refresh(peer.bots[0])
        assert (await peer.message("one")).acked
        assert peer.sockets.opened == 2
        peer.sockets.drop()
        assert (await peer.message("two")).acked
        assert peer.sockets.opened == 3
        await peer.wait_for(lambda: heard == ["one", "two"])


async def test_what_is_not_acked_comes_again_on_another_connection(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    peer.ack_seconds = 0.1
    first, second = await dial(peer, session), await dial(peer, session)
    event = asyncio.ensure_future(peer.message("hi"))
    one = await first.receive_json()
    assert (one["retry_attempt"], one["accepts_response_payload"]) == (0, False)
    two = await second.receive_json()
    assert (two["retry_attempt"], two["retry_reason"]) == (1, "timeout")
    assert two["payload"]["event_id"] == one["payload"]["event_id"]
    assert two["envelope_id"] != one["envelope_id"]
    await ack(first, one)
    await ack(second, two)
    assert [t.reason for t in (await event).tries] == ["timeout", None]
    assert peer.sockets.open[0].late_acks == [one["envelope_id"]]


async def test_an_event_on_a_connection_that_ends_waits_for_a_new_one(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    first = await dial(peer, session)
    event = asyncio.ensure_future(peer.message("hi"))
    await first.receive_json()
    peer.sockets.drop()
    second = await dial(peer, session)
    await ack(second, await second.receive_json())
    delivery = await event
    assert [t.reason for t in delivery.tries] == ["connection_failed", None]


async def test_events_go_to_the_connections_in_turn(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    sockets = [await dial(peer, session) for _ in range(3)]
    for number in range(6):
        event = asyncio.ensure_future(peer.message(str(number)))
        envelope = await sockets[number % 3].receive_json()
        assert envelope["payload"]["event"]["text"] == str(number)
        await ack(sockets[number % 3], envelope)
        await event


async def test_a_connection_told_to_go_gets_nothing_more_and_a_warned_one_does(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    bot = peer.bots[0]
    warned = await dial(peer, session)
    await peer.sockets.refresh(bot, "warning")
    assert (await warned.receive_json())["reason"] == "warning"
    assert len(peer.sockets.of(bot)) == 1
    await peer.sockets.refresh(bot)
    assert (await warned.receive_json())["reason"] == "refresh_requested"
    assert peer.sockets.of(bot) == []
    peer.ack_seconds = 0.05
    assert not (await peer.message("hi")).acked


async def test_a_ticket_is_good_once_and_ten_connections_are_all(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    opened = await connect(peer).apps_connections_open(app_token="xapp-1")
    kept = [await session.ws_connect(opened["url"])]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(opened["url"])
    kept += [await dial(peer, session) for _ in range(9)]
    opened = await connect(peer).apps_connections_open(app_token="xapp-1")
    eleventh = await session.ws_connect(opened["url"])
    assert json.loads((await eleventh.receive()).data)["reason"] == "too_many_websockets"
    assert (await eleventh.receive()).type is aiohttp.WSMsgType.CLOSE
    assert len(peer.sockets.open) == len(kept)


async def test_a_slack_that_is_down_has_no_connections(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    socket = await dial(peer, session)
    opened = await connect(peer).apps_connections_open(app_token="xapp-1")
    peer.down()
    assert (await socket.receive()).type is not aiohttp.WSMsgType.TEXT
    with pytest.raises(aiohttp.ClientError):
        await session.ws_connect(opened["url"])
    peer.up()
    assert await dial(peer, session)


async def test_a_mute_peer_leaves_pings_unanswered(
    peer: SlackPeer, session: aiohttp.ClientSession
) -> None:
    peer.sockets.mute = True
    socket = await dial(peer, session)
    await socket.ping(b"one")
    await peer.sockets.tell(peer.sockets.open[0], "warning")
    assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
    peer.sockets.mute = False
