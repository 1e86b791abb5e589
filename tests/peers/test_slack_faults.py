import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientError
from peers.slack import SlackPeer, slack_peer
from peers.slack_app import build_app, connect, error_of, serve_app
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

PROGRAM = Path(__file__).with_name("slack.py")


@pytest.fixture
async def peer() -> AsyncIterator[SlackPeer]:
    async with slack_peer() as peer:
        peer.bot()
        peer.channel("C1")
        yield peer


@pytest.fixture
def client(peer: SlackPeer) -> AsyncWebClient:
    return connect(peer)


async def test_a_429_says_how_long_and_ends(peer: SlackPeer, client: AsyncWebClient) -> None:
    peer.storm("chat.postMessage", n=2, retry_after=3)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C1", text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response["error"] == "ratelimited"
    assert caught.value.response.headers["Retry-After"] == "3"
    await client.auth_test()
    peer.up()
    peer.storm(n=1, retry_after=0)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    assert (await client.chat_postMessage(channel="C1", text="x"))["ok"]


async def test_a_flooded_channel_leaves_others_free(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    peer.channel("C2")
    peer.flood("C1", 60)
    assert await error_of(client.chat_postMessage(channel="C1", text="x")) == "ratelimited"
    await client.chat_postMessage(channel="C2", text="x")
    assert [m.channel for m in peer.messages()] == ["C2"]


async def test_limits_hold_a_channel_and_a_method(peer: SlackPeer, client: AsyncWebClient) -> None:
    peer.limits, peer.channel_seconds = True, 60.0
    await client.chat_postMessage(channel="C1", text="x")
    assert await error_of(client.chat_postMessage(channel="C1", text="x")) == "ratelimited"
    ts = peer.messages("C1")[0].ts
    for number in range(50):
        await client.chat_update(channel="C1", ts=ts, text=str(number))
    assert await error_of(client.chat_update(channel="C1", ts=ts, text="51")) == "ratelimited"


async def test_faults_happen_as_often_as_told(peer: SlackPeer, client: AsyncWebClient) -> None:
    peer.fail("chat.postMessage", error="missing_scope", needed="chat:write.public")
    peer.fail("chat.postMessage", status=503)
    peer.fail("chat.postMessage")
    peer.lose("chat.postMessage")
    client.retry_handlers.clear()
    assert await error_of(client.chat_postMessage(channel="C1", text="1")) == "missing_scope"
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C1", text="2")
    assert caught.value.response.status_code == 503
    for text in ("cut", "lost"):
        with pytest.raises(ClientError):
            await client.chat_postMessage(channel="C1", text=text)
    await client.chat_postMessage(channel="C1", text="5")
    assert [m.text for m in peer.messages("C1")] == ["lost", "5"]
    assert [call.status for call in peer.calls] == [200, 503, 0, 0, 200]


async def test_a_slow_answer_comes_late_and_the_message_is_there_all_the_same(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    client.timeout = 0.05  # type: ignore[assignment]
    client.retry_handlers.clear()
    peer.slow("chat.postMessage", 0.2)
    with pytest.raises(TimeoutError):
        await client.chat_postMessage(channel="C1", text="late")
    await peer.wait_for(lambda: peer.messages("C1"))
    peer.latency = 0.2
    with pytest.raises(TimeoutError):
        await client.auth_test()


async def test_a_slack_that_is_down_answers_nothing_until_it_is_up(
    peer: SlackPeer, client: AsyncWebClient
) -> None:
    client.retry_handlers.clear()
    peer.down()
    with pytest.raises(ClientError):
        await client.auth_test()
    peer.up()
    assert (await client.auth_test())["ok"]


async def test_it_runs_as_a_program_and_is_told_what_to_do() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        urls = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        client = AsyncWebClient(token="xoxb-1", base_url=urls["base"])
        async with slack_peer() as local, aiohttp.ClientSession(urls["url"]) as control:
            local.bot()
            app = build_app(local)
            app.client.base_url = urls["base"]

            @app.event("message")
            async def answer(event: dict[str, Any]) -> None:
                await client.chat_postMessage(channel=event["channel"], text="heard")

            async with serve_app(app) as url:
                await control.post("/control/deliver_to", json={"url": url})
                body = {"act": "message", "text": "hi", "user": "U7"}
                async with control.post("/control/event", json=body) as response:
                    [delivery] = (await response.json())["deliveries"]
                assert delivery["acked"] is True
                since = 0
                methods: list[str] = []
                deadline = time.monotonic() + 10
                while "chat.postMessage" not in methods and time.monotonic() < deadline:
                    path = f"/control/calls?since={since}&wait=5"
                    async with control.get(path) as response:
                        seen = await response.json()
                    since = seen["next"]
                    methods += [call["method"] for call in seen["calls"]]
            async with control.get("/control/messages") as response:
                [message] = (await response.json())["messages"]
            assert (message["channel"], message["shown"]) == ("DB1U7", "heard")
    finally:
        process.terminate()
        await process.wait()
