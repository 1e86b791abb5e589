"""Calls to WeCom: what their failures mean."""

import asyncio
import time

import pytest
from peers.wecom_faults import RateLimits

from bots.wecom.errors import AwayError, ClosedError, RefusedError, SecretError, TooManyError
from bots.wecom.patience import insist
from core.errors import PlatformAwayError

AGENT = {"agentid": "1000002"}


@pytest.mark.parametrize("trouble", [500, 502, 503, "reset"])
async def test_an_outage_is_told_from_a_refusal(api, wecom, trouble):
    wecom.fail("agent/get", trouble, times=2)  # aiohttp repeats a GET whose connection broke
    with pytest.raises(AwayError):
        await api.call("agent/get", params=AGENT)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1, AwayError),
        (45009, TooManyError),
        (45033, TooManyError),
        (40001, SecretError),
        (40056, SecretError),
        (301002, SecretError),
        (48002, SecretError),
        (60020, SecretError),
        (95017, SecretError),
        (81013, ClosedError),
        (60111, ClosedError),
        (95001, ClosedError),
        (95018, RefusedError),
        (40058, RefusedError),
        (99999, RefusedError),
    ],
)
async def test_an_errcode_has_its_meaning(api, wecom, code, kind):
    wecom.refuse("agent/get", code)
    with pytest.raises(kind) as caught:
        await api.call("agent/get", params=AGENT)
    assert type(caught.value) is kind
    assert caught.value.code == code


async def test_after_too_many_calls_the_method_rests_and_others_do_not(api, wecom):
    wecom.refuse("agent/get", 45009)
    for _ in range(10):
        with pytest.raises(TooManyError):
            await api.call("agent/get", params=AGENT)
    assert len(wecom.called("agent/get")) == 1
    await api.call("getcallbackip")


async def test_the_rest_grows_with_each_refusal_and_ends_with_a_success(api, wecom):
    wecom.refuse("agent/get", 45009, times=2)
    with pytest.raises(TooManyError) as first:
        await api.call("agent/get", params=AGENT)
    api._held["agent/get"] = (0.0, first.value.seconds)
    with pytest.raises(TooManyError) as second:
        await api.call("agent/get", params=AGENT)
    assert second.value.seconds == 2 * first.value.seconds
    api._held["agent/get"] = (0.0, second.value.seconds)
    await api.call("agent/get", params=AGENT)
    assert not api._held


async def test_a_corp_over_its_rate_is_held_until_its_window_ends(api, wecom):
    wecom.limit(RateLimits(per_minute=3, minute=1.0))
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)
        api._held.clear()
        wecom.limit(None)

    for _ in range(5):
        await insist(lambda: api.call("agent/get", params=AGENT), pause)
    assert pauses == [0.2]


async def test_patience_ends_and_says_that_the_platform_is_away(api, wecom):
    await wecom.down()
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)

    began = time.monotonic()
    with pytest.raises(PlatformAwayError):
        await insist(lambda: api.call("agent/get", params=AGENT), pause, patience=1.0)
    assert pauses[0] == 0.5
    assert time.monotonic() - began < 5


async def test_a_refused_call_is_not_repeated(api, wecom):
    wecom.refuse("agent/get", 40058, times=2)

    async def pause(_):
        raise AssertionError("nothing to wait for")

    with pytest.raises(RefusedError):
        await insist(lambda: api.call("agent/get", params=AGENT), pause)
    assert len(wecom.called("agent/get")) == 1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7), ("0", 0.2), ("00", 0.2), ("99999999999", 300), ("²", 0.2), ("soon", 0.2)],
)
async def test_how_long_a_method_rests_is_bounded_whatever_was_told(api, told, seconds):
    assert api._hold("agent/get", told).seconds == seconds
    api._held["agent/get"] = (0.0, seconds)
    assert 0.2 <= api._hold("agent/get", "").seconds <= 300


@pytest.mark.parametrize("raw", [b'{"errcode": 1e999}', b"[]", b"null", b'{"errcode": null}', b""])
async def test_an_answer_without_sense_is_an_outage(api, monkeypatch, raw):
    class Said:
        status, headers = 200, {}

    with pytest.raises(AwayError):
        api.judge("agent/get", Said(), raw)


async def test_many_calls_refused_at_once_are_one_refusal(api, wecom):
    """Else the first storm would have everybody rest for as long as the tenth."""
    wecom.refuse("agent/get", 45009, times=20)
    said = await asyncio.gather(
        *(api.call("agent/get", params=AGENT) for _ in range(20)), return_exceptions=True
    )
    assert all(isinstance(error, TooManyError) for error in said)
    assert max(error.seconds for error in said) <= 0.2
