import asyncio
import logging

import aiohttp
import pytest

from bots.slack.api import Api, AwayError, LimitedError, RefusedError, UnsureError, web_client

POST = {"channel": "C1", "text": "hello"}


@pytest.fixture
async def api(peer, bot):
    peer.channel("C1")
    peer.channel("C2")
    async with aiohttp.ClientSession() as session:
        yield Api(web_client(bot.token, peer.base, session))


async def test_a_limit_holds_up_that_method_in_that_channel_alone(api, peer):
    peer.storm("chat.postMessage", n=1, retry_after=2)
    held = asyncio.create_task(api.call("chat.postMessage", POST))
    await peer.wait_for(lambda: peer.calls)
    await api.call("chat.postMessage", POST | {"channel": "C2"})
    await api.call("auth.test")
    assert not held.done()
    with pytest.raises(LimitedError) as caught:
        await api.call("chat.postMessage", POST, patient=False)
    assert 0 < caught.value.seconds <= 2
    assert (await held)["ok"]
    assert [call.status for call in peer.calls].count(429) == 1


async def test_a_limit_beyond_all_patience_is_said(api, peer):
    peer.storm("chat.postMessage", n=1, retry_after=3600)
    with pytest.raises(LimitedError):
        await api.call("chat.postMessage", POST)


async def test_storms_have_an_end_or_are_said(api, peer):
    peer.storm("chat.postMessage", n=100, retry_after=0)
    with pytest.raises(LimitedError):
        await api.call("chat.postMessage", POST)
    assert len(peer.calls) < 10


async def test_a_refusal_has_slacks_word_for_it(api, peer):
    with pytest.raises(RefusedError) as caught:
        await api.call("chat.postMessage", POST | {"channel": "C404"})
    assert caught.value.code == "channel_not_found"


@pytest.mark.parametrize("fault", [{"status": 503}, {"error": "internal_error"}, {}])
async def test_what_may_have_happened_is_repeated_only_if_that_does_no_harm(api, peer, fault):
    peer.fail("chat.postMessage", **fault)
    with pytest.raises(UnsureError):
        await api.call("chat.postMessage", POST)
    assert len(peer.calls) == 1
    peer.fail("auth.test", **fault)
    assert (await api.call("auth.test"))["ok"]


async def test_a_slack_that_cannot_be_reached_is_away():
    async with aiohttp.ClientSession() as session:
        api = Api(web_client("xoxb-1", "http://127.0.0.1:9/api/", session))
        with pytest.raises(AwayError):
            await api.call("auth.test", patient=False)


async def test_nothing_of_a_call_is_logged(api, peer, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        peer.user("U1")
        await api.call("chat.postMessage", POST | {"text": "private words"})
        peer.fail("chat.postMessage", status=500)
        with pytest.raises(UnsureError):
            await api.call("chat.postMessage", POST | {"text": "private words"})
    seen = caplog.text + "".join(capfd.readouterr())
    assert "private words" not in seen
    assert "xoxb-1" not in seen
