"""The peer fails as it is told."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_caller import Caller
from peers.wecom_corps import App
from peers.wecom_faults import RateLimits

TEXT = {"touser": "lihua", "msgtype": "text", "text": {"content": "您好"}, "agentid": 1000002}


@pytest.fixture
async def peer() -> AsyncIterator[WeComPeer]:
    async with wecom_peer() as running:
        yield running


@pytest.fixture
def app(peer: WeComPeer) -> App:
    return peer.corp("wwcorp1").app(1000002, "s1", {"lihua"})


@pytest.fixture
async def caller(peer: WeComPeer, app: App) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        caller = Caller(peer, session)
        await caller.log_in()
        yield caller


async def test_a_lost_answer_leaves_the_message_in_the_chat(
    peer: WeComPeer, app: App, caller: Caller
) -> None:
    peer.fail("message/send", "lost")
    with pytest.raises(aiohttp.ClientError):
        await caller.post("message/send", **TEXT)
    assert app.texts("lihua") == ["您好"]


async def test_a_cut_connection_and_a_status_leave_nothing(
    peer: WeComPeer, app: App, caller: Caller
) -> None:
    peer.fail("message/send", "reset")
    peer.fail("*", 503)
    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            await caller.post("message/send", **TEXT)
    assert app.texts("lihua") == []
    assert (await caller.post("message/send", **TEXT))["errcode"] == 0


async def test_a_storm_ends(peer: WeComPeer, caller: Caller) -> None:
    peer.storm(2)
    codes = [(await caller.post("message/send", **TEXT))["errcode"] for _ in range(3)]
    assert codes == [45009, 45009, 0]


async def test_rates_are_counted_by_method(peer: WeComPeer, caller: Caller) -> None:
    peer.limit(RateLimits(per_minute=2, minute=0.1))
    codes = [(await caller.post("message/send", **TEXT))["errcode"] for _ in range(3)]
    assert codes == [0, 0, 45009]
    assert (await caller.get("agent/get", agentid="1000002"))["errcode"] == 0
    peer.limit(None)
    assert (await caller.post("message/send", **TEXT))["errcode"] == 0


async def test_it_goes_away_and_comes_back_at_the_same_address(
    peer: WeComPeer, caller: Caller
) -> None:
    await peer.down()
    with pytest.raises(aiohttp.ClientError):
        await caller.post("message/send", **TEXT)
    await peer.up()
    assert (await caller.post("message/send", **TEXT))["errcode"] == 0
