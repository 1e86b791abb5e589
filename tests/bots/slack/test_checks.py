import pytest

from bots.adapter import Mark
from bots.slack.api import Api, web_client
from bots.slack.capabilities import SCOPES
from bots.slack.checks import examine
from config.settings import SlackSettings


@pytest.fixture
def look(account, peer, bot):
    async def look(name="main", sockets=True):
        way = {"app_token": bot.app_token} if sockets else {"signing_secret": bot.signing_secret}
        settings = SlackSettings(name=name, bot_token=bot.token, api_base=peer.base, **way)
        app_api = Api(web_client(bot.app_token, peer.base, account.session)) if sockets else None
        return await examine(settings, account.api, app_api)

    return look


@pytest.mark.parametrize("sockets", [True, False])
async def test_a_good_account_has_nothing_to_do(look, sockets):
    findings = await look(sockets=sockets)
    assert {finding.mark for finding in findings} == {Mark.GOOD}
    assert "xiaoq in the workspace Team T1" in findings[0].seen


async def test_a_refused_token_names_its_setting_and_where_to_find_it(look, peer):
    peer.fail("auth.test", error="token_revoked")
    (finding,) = await look("staff")
    assert finding.mark is Mark.BAD
    assert "token_revoked" in finding.seen
    assert 'XIAOQ_SLACK__BOT_TOKEN (account "staff")' in finding.advice
    assert "OAuth & Permissions" in finding.advice


async def test_missing_scopes_are_named(look, bot):
    bot.scopes = tuple(scope for scope in SCOPES if scope != "users:read")
    bad = [finding for finding in await look() if finding.mark is Mark.BAD]
    assert [finding.seen for finding in bad] == ["lacks the scopes users:read"]
    assert "Reinstall" in bad[0].advice


async def test_a_refused_app_token_is_named(look, peer):
    peer.fail("apps.connections.open", error="invalid_auth")
    bad = [finding for finding in await look() if finding.mark is Mark.BAD]
    assert "XIAOQ_SLACK__APP_TOKEN" in bad[0].advice


async def test_a_slack_that_is_away_is_said(look, peer):
    peer.down()
    (finding,) = await look()
    assert finding.mark is Mark.BAD
    assert "cannot be reached" in finding.seen
