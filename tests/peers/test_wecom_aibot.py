"""The peer's AI bots: called back, refreshed, answered later, and over a long connection."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_aibot import AiBot, TooManyInFlightError
from peers.wecom_callbacks import signature_of
from wechatpy.crypto import WeChatCrypto
from wechatpy.crypto.base import WeChatCipher

Say = Callable[[dict[str, Any]], dict[str, Any] | None]


@pytest.fixture
async def peer() -> AsyncIterator[WeComPeer]:
    async with wecom_peer() as running:
        yield running


@pytest.fixture
def bot(peer: WeComPeer) -> AiBot:
    bot = peer.aibot()
    bot.refresh_seconds = 0.001
    return bot


class Program:
    """The company's program: answers each callback with what a test says."""

    def __init__(self, bot: AiBot) -> None:
        self.heard: list[dict[str, Any]] = []
        self.say: Say = lambda _: None
        self.signer = bot.endpoint.token
        self._bot = bot

    async def take(self, request: web.Request) -> web.Response:
        endpoint = self._bot.endpoint
        crypto = WeChatCrypto(endpoint.token, endpoint.aes_key, "")
        body, query = await request.json(), request.query
        plain = crypto.decrypt_message(
            {"Encrypt": body["encrypt"]},
            query["msg_signature"],
            query["timestamp"],
            query["nonce"],
        )
        self.heard.append(json.loads(plain))
        answer = self.say(self.heard[-1])
        if answer is None:
            return web.Response()
        sealed = endpoint.encrypt(json.dumps(answer))
        signature = signature_of(self.signer, "1", "n", sealed)
        names = {"encrypt": sealed, "msgsignature": signature, "timestamp": 1, "nonce": "n"}
        return web.json_response(names)


@pytest.fixture
async def program(bot: AiBot) -> AsyncIterator[Program]:
    program = Program(bot)
    app = web.Application()
    app.router.add_post("/wecom/aibot", program.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/wecom/aibot"
    yield program
    await runner.cleanup()


def stream(content: str, finish: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "msgtype": "stream",
        "stream": {"id": "s1", "finish": finish, "content": content} | more,
    }


async def test_a_stream_is_refreshed_until_it_is_finished(
    peer: WeComPeer, bot: AiBot, program: Program
) -> None:
    answers = [
        stream("", feedback={"id": "ans-1"}),
        stream("您好"),
        stream("您好，可以"),
        stream("您好，可以报销。", finish=True),
    ]
    program.say = lambda _: answers.pop(0)
    exchange = bot.asks("lihua", "报销流程", "wr1", quote={"msgtype": "text"})
    await peer.wait_for(lambda: exchange.over)
    assert exchange.snapshots == ["您好", "您好，可以", "您好，可以报销。"]
    assert (exchange.finished, exchange.refreshes, exchange.offences) == (True, 3, [])
    assert exchange.feedback_id == "ans-1"
    asked, *refreshes = program.heard
    assert asked["text"]["content"] == "@客服助手 报销流程"
    assert asked["chatid"] == refreshes[0]["chatid"] == "wr1"
    assert refreshes[0]["stream"] == {"id": "s1"}
    assert len({heard["msgid"] for heard in program.heard}) == 4


async def test_a_stream_that_never_ends_is_left_after_six_minutes(
    peer: WeComPeer, bot: AiBot, program: Program
) -> None:
    program.say = lambda _: stream("还在想")
    exchange = bot.asks("lihua", "报销流程")
    await peer.wait_for(lambda: exchange.refreshes > 2)
    peer.clock.pass_time(361)
    await peer.wait_for(lambda: exchange.over)
    assert exchange.timed_out


@pytest.mark.parametrize(
    ("answer", "offence"),
    [
        (stream("字" * 6827), "content too long"),
        (stream("好", msg_item=[{"msgtype": "image"}]), "images only at the end"),
        ({"msgtype": "text", "text": {"content": "好"}}, "only a greeting"),
        ({"msgtype": "markdown"}, "unknown type"),
        ({"msgtype": "stream"}, "no stream"),
    ],
)
async def test_an_answer_that_breaks_the_rules_is_not_shown(
    peer: WeComPeer, bot: AiBot, program: Program, answer: dict[str, Any], offence: str
) -> None:
    program.say = lambda _: answer
    exchange = bot.asks("lihua", "报销流程")
    await peer.wait_for(lambda: exchange.over)
    assert exchange.snapshots == []
    assert offence in exchange.offences[0]


async def test_a_picture_closes_a_stream(peer: WeComPeer, bot: AiBot, program: Program) -> None:
    data = b"\x89PNG\r\n"
    image = {"base64": base64.b64encode(data).decode(), "md5": hashlib.md5(data).hexdigest()}
    item = {"msgtype": "image", "image": image}
    program.say = lambda _: stream("看图", finish=True, msg_item=[item])
    exchange = bot.asks("lihua", "报销流程")
    await peer.wait_for(lambda: exchange.over)
    assert exchange.images == [data]


async def test_nobody_has_four_messages_in_flight(bot: AiBot) -> None:
    for _ in range(3):
        bot.asks("lihua", "在吗")
    bot.asks("zhangwei", "在吗")
    with pytest.raises(TooManyInFlightError):
        bot.asks("lihua", "在吗")


async def test_an_answer_comes_later_once_and_within_an_hour(peer: WeComPeer, bot: AiBot) -> None:
    first, late = bot.asks("lihua", "在吗"), bot.asks("lihua", "还在吗")
    body = {"msgtype": "markdown", "markdown": {"content": "**在**"}}
    codes = []
    async with aiohttp.ClientSession() as session:
        for url, given in [
            (first.payload["response_url"], {"msgtype": "text"}),
            (first.payload["response_url"], body),
            (first.payload["response_url"], body),
            (late.payload["response_url"], body),
        ]:
            if url == late.payload["response_url"]:
                peer.clock.pass_time(3601)
            async with session.post(url, json=given) as response:
                codes.append((await response.json())["errcode"])
    assert codes == [40008, 0, 40029, 40029]
    assert (first.later, late.later) == ([body], [])


async def test_a_file_is_sealed_and_gone_after_five_minutes(peer: WeComPeer, bot: AiBot) -> None:
    shared = bot.shares("lihua", "file", b"a,b\n1,2\n")
    url = shared.payload["file"]["url"]
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            plain = WeChatCipher(bot.endpoint.key).decrypt(await response.read())
        assert plain[: -plain[-1]] == b"a,b\n1,2\n"
        peer.clock.pass_time(301)
        async with session.get(url) as response:
            assert response.status == 403


async def test_a_thumb_takes_no_answer_and_a_greeting_a_text(
    peer: WeComPeer, bot: AiBot, program: Program
) -> None:
    program.say = lambda _: {"msgtype": "text", "text": {"content": "您好"}}
    greeted = bot.enters("lihua")
    rated = bot.rates(greeted, 2, "答非所问")
    await peer.wait_for(lambda: greeted.over and rated.over)
    assert greeted.texts == ["您好"]
    assert rated.offences == ["a feedback event takes no answer"]


async def test_a_wrongly_signed_answer_is_not_shown(
    peer: WeComPeer, bot: AiBot, program: Program
) -> None:
    program.say = lambda _: stream("好", finish=True)
    program.signer = "another"
    exchange = bot.asks("lihua", "在吗")
    await peer.wait_for(lambda: exchange.over)
    assert (exchange.snapshots, exchange.offences) == ([], ["wrongly signed"])
