"""Access tokens: one for all, renewed once, and a wrong secret left alone."""

import asyncio
import logging

import pytest

from bots.wecom.api import WeComApi, open_session
from bots.wecom.errors import AwayError, SecretError
from bots.wecom.tokens import Tokens

AGENT = {"agentid": "1000002"}


@pytest.fixture
async def other_api(store, wecom, corp, app):
    """The same calls from another process."""
    async with open_session(wecom.api_base) as session:
        yield WeComApi(session, store, wecom.api_base, corp.id, "app-secret")


async def test_calls_of_all_processes_share_one_token(api, other_api, wecom):
    await asyncio.gather(*(a.call("agent/get", params=AGENT) for a in [api, other_api] * 50))
    assert wecom.tokens.asked == 1


@pytest.mark.parametrize("end", ["revoke", "expire"])
async def test_a_token_that_ended_early_is_renewed_once_for_all(api, other_api, wecom, end):
    await asyncio.gather(
        api.call("agent/get", params=AGENT), other_api.call("agent/get", params=AGENT)
    )
    getattr(wecom.tokens, end)()
    await asyncio.gather(*(a.call("agent/get", params=AGENT) for a in [api, other_api] * 50))
    assert wecom.tokens.asked == 2


async def test_a_missing_token_is_renewed_and_the_call_repeated(api, wecom):
    wecom.refuse("agent/get", 41001)
    assert (await api.call("agent/get", params=AGENT))["name"] == "客服助手"


async def test_a_token_that_is_refused_again_and_again_ends_the_call(api, wecom):
    wecom.refuse("agent/get", 40014, times=10)
    with pytest.raises(AwayError):
        await api.call("agent/get", params=AGENT)
    assert len(wecom.called("agent/get")) == 2


async def test_a_wrong_secret_is_tried_once(api, other_api, wecom):
    wecom.tokens.drop("app-secret")
    for one in [api, other_api] * 5:
        with pytest.raises(SecretError) as caught:
            await one.call("agent/get", params=AGENT)
        assert caught.value.code == 40001
    assert wecom.tokens.asked == 1


async def test_while_wecom_is_away_those_who_wait_do_not_all_ask(api, wecom):
    wecom.fail("gettoken", 502, times=20)
    said = await asyncio.gather(
        *(api.call("agent/get", params=AGENT) for _ in range(20)), return_exceptions=True
    )
    assert all(isinstance(error, AwayError) for error in said)
    assert len(wecom.called("gettoken")) == 1


async def test_two_apps_of_one_corp_have_tokens_of_their_own(api, wecom, corp, store):
    corp.app(1000003, "second-secret", {"lihua"})
    async with open_session(wecom.api_base) as session:
        second = WeComApi(session, store, wecom.api_base, corp.id, "second-secret")
        await api.call("agent/get", params=AGENT)
        assert (await second.call("agent/get", params={"agentid": "1000003"}))["agentid"] == 1000003


async def test_neither_token_nor_secret_shows_in_logs_or_errors(api, wecom, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    token = await api.token()
    wecom.fail("agent/get", "reset", times=2)
    with pytest.raises(AwayError) as reset:
        await api.call("agent/get", params=AGENT)
    wecom.tokens.drop("app-secret")
    with pytest.raises(SecretError) as refused:
        await api.call("agent/get", params=AGENT)
    said = [caplog.text, *capsys.readouterr()]
    for error in (reset.value, refused.value):
        said += [
            repr(error),
            repr(error.__cause__),
            str(error.__suppress_context__ or error.__context__),
        ]
    assert not any(secret in text for secret in (token, "app-secret") for text in said)


async def test_no_key_in_redis_holds_the_secret(api, store):
    await api.token()
    assert not [key async for key in store.scan_iter("*app-secret*")]


async def test_a_token_that_is_refused_and_given_again_is_not_asked_for_by_everybody(store):
    """Within its time WeCom gives the same one, even where it does not take it."""
    asked = 0

    async def fetch():
        nonlocal asked
        asked += 1
        return "token", 7200.0

    tokens = Tokens(store, "wwcorp1", "app-secret", fetch)
    assert await tokens.current() == "token"
    given = await asyncio.gather(*(tokens.renew("token") for _ in range(20)))
    assert given == ["token"] * 20
    assert asked == 2
