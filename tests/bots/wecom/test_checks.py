"""What `xiaoq doctor` says of WeCom accounts, asked of accounts that XiaoQ has at work."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from company import free_port

from bots.adapter import Mark
from bots.house import Role


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def opened(open_house, entry, corp, app, desk, port):
    """XiaoQ with app and kf."""

    def opened(**more):
        secrets = {"agent_id": app.id, "app_secret": app.secret, "kf_secret": "kf-secret"}
        secrets |= {"public_url": f"http://127.0.0.1:{port}"} | more
        return open_house(entry(corp, **secrets), port=port, role=Role.GATEWAY)

    return opened


@pytest.fixture
async def house(opened):
    async with opened() as house:
        yield house


async def look(house, platform="wecom"):
    """The findings on one part of the account."""
    adapters = [ears.adapter for ears in house.ears if ears.adapter.platform == platform]
    return [finding for adapter in adapters for finding in await adapter.examine()]


def bad(findings):
    """The only thing that is to be done."""
    (finding,) = [finding for finding in findings if finding.mark is Mark.BAD]
    return finding


async def test_a_good_app_has_nothing_to_do(house):
    findings = await look(house)
    assert {finding.mark for finding in findings} == {Mark.GOOD}
    said = " ".join(finding.seen for finding in findings)
    assert 'corp id, secret and agent id are those of "客服助手"' in said
    assert "the app is seen by 2 members" in said
    assert "s off WeCom's" in said
    assert "/wecom/callback answers as WeCom wants it" in said


async def test_a_good_kf_has_nothing_to_do_and_asks_the_shared_callback_no_second_time(house):
    findings = await look(house, "wecom-kf")
    assert {finding.mark for finding in findings} == {Mark.GOOD}
    said = " ".join(finding.seen for finding in findings)
    assert "(wkAAA) is answered; servicers who receive now: 1 of 1" in said
    assert "/wecom/callback" not in said


@pytest.mark.parametrize(
    ("code", "seen", "advice"),
    [
        (40001, "the secret is wrong (errcode 40001)", "XIAOQ_WECOM__APP_SECRET: copy the Secret"),
        (40013, "the corp id is wrong (errcode 40013)", "XIAOQ_WECOM__CORP_ID: copy the 企业ID"),
    ],
)
async def test_a_refused_secret_names_its_setting_and_where_to_find_it(
    house, wecom, code, seen, advice
):
    wecom.refuse("gettoken", code)
    finding = bad(await look(house))
    assert seen in finding.seen
    assert advice in finding.advice


async def test_an_address_that_is_not_trusted_is_named(house, corp):
    corp.is_trusted = False
    finding = bad(await look(house))
    assert "not a trusted one of the app: 127.0.0.1 (errcode 60020)" in finding.seen
    assert "企业可信IP" in finding.advice


@pytest.mark.parametrize("code", [48002, 95011])
async def test_a_secret_that_may_not_call_kf_is_named(house, wecom, code):
    wecom.refuse("kf/account/list", code)
    finding = bad(await look(house, "wecom-kf"))
    assert f"errcode {code}" in finding.seen
    assert "XIAOQ_WECOM__KF_SECRET" in finding.advice
    assert "微信客服" in finding.advice


async def test_an_app_that_nobody_sees_is_named(house, app):
    app.members.clear()
    finding = bad(await look(house))
    assert finding.seen == "nobody sees the app"
    assert "可见范围" in finding.advice


async def test_a_kf_account_that_the_app_may_not_manage_is_named(house, desk):
    desk.managed = False
    finding = bad(await look(house, "wecom-kf"))
    assert "wkAAA" in finding.seen
    assert "可管理的客服账号" in finding.advice


async def test_a_kf_account_that_is_not_there_is_named(opened):
    async with opened(kf_accounts=("wkAAA", "wkZZZ")) as house:
        finding = bad(await look(house, "wecom-kf"))
    assert "wkZZZ" in finding.seen
    assert finding.advice.endswith("should name some of wkAAA")


async def test_without_any_kf_account_it_says_how_to_make_one(house, corp):
    corp.kf.clear()
    finding = bad(await look(house, "wecom-kf"))
    assert "创建账号" in finding.advice


async def test_a_kf_account_without_servicers_is_no_fault(house, desk):
    desk.servicers.clear()
    (finding,) = [f for f in await look(house, "wecom-kf") if f.mark is Mark.OFF]
    assert "has no servicer" in finding.seen


async def test_a_clock_that_is_off_is_to_be_set(house, wecom):
    wecom.skew = 400
    finding = bad(await look(house))
    assert "behind WeCom's" in finding.seen
    assert "NTP" in finding.advice


async def test_a_wecom_that_is_away_is_said(house, wecom):
    await wecom.down()
    finding = bad(await look(house))
    assert "cannot be asked" in finding.seen
    assert "XIAOQ_WECOM__API_BASE" in finding.advice


async def test_without_a_public_address_nobody_looks(opened):
    async with opened(public_url=None) as house:
        (finding,) = [f for f in await look(house) if f.mark is Mark.OFF]
    assert "XIAOQ_WECOM__PUBLIC_URL" in finding.advice


async def test_an_account_of_another_name_is_called_by_it(opened, wecom):
    async with opened(name="second") as house:
        wecom.refuse("gettoken", 40001)
        finding = bad(await look(house))
    assert finding.part == "wecom:second"
    assert finding.advice.startswith('XIAOQ_WECOM__APP_SECRET (account "second")')


async def test_a_callback_that_nobody_serves_is_named(opened):
    async with opened(public_url=f"http://127.0.0.1:{free_port()}") as house:
        finding = bad(await look(house))
    assert "cannot be reached (ClientConnectorError)" in finding.seen
    assert "XIAOQ_WECOM__PUBLIC_URL" in finding.advice


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "without a page of its own"),
        (302, "without a page of its own"),
        (401, "another Token"),
        (403, "another EncodingAESKey"),
        (404, "pass the path on unchanged"),
        (502, "nobody behind it"),
    ],
)
async def test_a_callback_that_answers_otherwise_is_named(opened, status, words):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text="<html>")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    async with TestServer(app) as server, opened(public_url=str(server.make_url("/"))) as house:
        finding = bad(await look(house))
    assert f"(status {status})" in finding.seen
    assert words in finding.advice


async def test_a_callback_that_answers_too_late_is_named(opened, house, port, monkeypatch):
    monkeypatch.setattr("bots.wecom.reach.SLOW_SECONDS", 0.0)
    assert "WeCom waits 1 s" in bad(await look(house)).seen


async def test_looking_disturbs_no_cached_token(house, wecom, app):
    before = len(wecom.called("gettoken"))
    await asyncio.gather(*(look(house) for _ in range(3)))
    assert len(wecom.called("gettoken")) == before + 3
