"""The peer's AI bots over a long connection: logins, acknowledged replies, kick-outs, uploads."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_aibot import AiBot


@pytest.fixture
async def peer() -> AsyncIterator[WeComPeer]:
    async with wecom_peer() as running:
        yield running


def stream(content: str, finish: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "msgtype": "stream",
        "stream": {"id": "s1", "finish": finish, "content": content} | more,
    }


@pytest.fixture
def bot(peer: WeComPeer) -> AiBot:
    return peer.aibot("WSB", long_connection=True)


class Line:
    """A long connection as a program holds it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def call(self, cmd: str, request: str, **body: Any) -> dict[str, Any]:
        frame = {"cmd": cmd, "headers": {"req_id": request}} | ({"body": body} if body else {})
        await self.ws.send_json(frame)
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        return await self.ws.receive_json(timeout=2)

    async def log_in(self, secret: str = "secretWSB") -> dict[str, Any]:
        return await self.call("aibot_subscribe", "r1", bot_id="WSB", secret=secret)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def line(peer: WeComPeer, session: aiohttp.ClientSession, bot: AiBot) -> AsyncIterator[Line]:
    async with session.ws_connect(peer.socket_url) as ws:
        line = Line(ws)
        assert (await line.log_in())["errcode"] == 0
        yield line


async def test_a_message_is_answered_over_the_line(peer: WeComPeer, bot: AiBot, line: Line) -> None:
    assert await line.call("ping", "p1") == {
        "headers": {"req_id": "p1"},
        "errcode": 0,
        "errmsg": "ok",
    }
    exchange = bot.asks("lihua", "你好")
    heard = await line.hear()
    assert (heard["cmd"], heard["body"]["text"]) == ("aibot_msg_callback", {"content": "你好"})
    assert "response_url" not in heard["body"]
    request = heard["headers"]["req_id"]
    for content, finish in [("您", False), ("您好", True)]:
        answer = await line.call("aibot_respond_msg", request, **stream(content, finish))
        assert answer["errcode"] == 0
    assert (exchange.snapshots, exchange.over) == (["您", "您好"], True)
    late = await line.call("aibot_respond_msg", request, **stream("您好！", finish=True))
    assert late["errcode"] == 40058
    assert (await line.call("aibot_respond_msg", "none", **stream("好")))["errcode"] == 846605


async def test_a_stream_over_the_line_ends_after_six_minutes(
    peer: WeComPeer, bot: AiBot, line: Line
) -> None:
    bot.asks("lihua", "你好")
    request = (await line.hear())["headers"]["req_id"]
    peer.clock.pass_time(361)
    assert (await line.call("aibot_respond_msg", request, **stream("好")))["errcode"] == 846608
    pushed = await line.call(
        "aibot_send_msg", "x1", chatid="lihua", msgtype="markdown", markdown={"content": "好"}
    )
    assert (pushed["errcode"], len(bot.socket.pushed)) == (0, 1)


async def test_two_replies_at_once_are_a_conflict(bot: AiBot, line: Line) -> None:
    bot.asks("lihua", "你好")
    request = (await line.hear())["headers"]["req_id"]
    bot.socket.ack_seconds = 0.05
    reply = {"cmd": "aibot_respond_msg", "headers": {"req_id": request}}
    await line.ws.send_json(reply | {"body": stream("您")})
    await line.ws.send_json(reply | {"body": stream("您好")})
    assert [(await line.hear())["errcode"] for _ in range(2)] == [6000, 0]


async def test_a_second_connection_sends_the_first_away(
    peer: WeComPeer, session: aiohttp.ClientSession, bot: AiBot, line: Line
) -> None:
    async with session.ws_connect(peer.socket_url) as ws:
        assert (await Line(ws).log_in())["errcode"] == 0
        gone = await line.hear()
        assert gone["body"]["event"] == {"eventtype": "disconnected_event"}
        assert (await line.ws.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        bot.asks("lihua", "你好")
        assert (await Line(ws).hear())["cmd"] == "aibot_msg_callback"
    assert (bot.socket.kicked, bot.socket.logins) == (1, 2)


async def test_a_wrong_login_is_sent_away(
    peer: WeComPeer, session: aiohttp.ClientSession, bot: AiBot
) -> None:
    async with session.ws_connect(peer.socket_url) as ws:
        assert (await Line(ws).log_in("wrong"))["errcode"] != 0
        assert (await ws.receive()).type == aiohttp.WSMsgType.CLOSE
    assert not bot.socket.is_open


async def test_a_mute_line_answers_no_ping_and_a_cut_one_ends(
    peer: WeComPeer, bot: AiBot, line: Line
) -> None:
    bot.socket.mute = True
    await line.ws.send_json({"cmd": "ping", "headers": {"req_id": "p1"}})
    await peer.wait_for(lambda: bool(bot.socket.frames))
    with pytest.raises(TimeoutError):
        await line.ws.receive(timeout=0.05)
    bot.socket.cut()
    await peer.wait_for(lambda: not bot.socket.is_open)


async def test_a_file_goes_up_in_pieces(bot: AiBot, line: Line) -> None:
    data = b"abc" * 300_000
    parts = [data[:524_288], data[524_288:]]
    about = {"type": "file", "filename": "a.txt", "total_size": len(data), "total_chunks": 2}
    about["md5"] = hashlib.md5(data).hexdigest()
    begun = await line.call("aibot_upload_media_init", "u1", **about)
    upload_id = begun["body"]["upload_id"]
    for index, part in enumerate(parts):
        piece = {"upload_id": upload_id, "chunk_index": index}
        piece["base64_data"] = base64.b64encode(part).decode()
        assert (await line.call("aibot_upload_media_chunk", f"c{index}", **piece))["errcode"] == 0
    ended = await line.call("aibot_upload_media_finish", "u3", upload_id=upload_id)
    assert bot.socket.media[ended["body"]["media_id"]] == data


async def test_what_nobody_is_there_to_take_is_lost(bot: AiBot) -> None:
    exchange = bot.asks("lihua", "你好")
    await asyncio.sleep(0)
    assert (exchange.over, exchange.offences) == (True, ["not taken"])
