"""Several accounts side by side, each with its persona."""

import pytest
from company import found_company, running, settings_for, write_persona
from peers.telegram import telegram_peer

from bots.app import open_house
from config.errors import ConfigError


@pytest.fixture
def company(tmp_path):
    company = found_company(tmp_path)
    text = write_persona(company, "repairs", "小修", "").read_text()
    (company / "personas/repairs.yaml").write_text(text.replace("您好", "小修在此"))
    return company


async def test_two_bots_of_one_platform_answer_as_their_personas(company, redis_url, store):
    async with telegram_peer() as telegram:
        shop, repairs = (
            telegram.bot("111:shop-token", "shop_bot"),
            telegram.bot("222:repairs-token", "fix_bot"),
        )
        accounts = (
            {"token": shop.token, "api_base": telegram.url},
            {
                "name": "repairs",
                "token": "222:repairs-token",
                "api_base": telegram.url,
                "persona": "repairs",
            },
        )
        async with running(settings_for(company, redis_url, telegram=accounts)) as house:
            shop.says(7, "/start", language_code="zh-hans")
            repairs.says(7, "/start", language_code="zh-hans")
            await telegram.wait_for(2)
            assert telegram.texts(7, scope=shop) == ["您好"]
            assert telegram.texts(7, scope=repairs) == ["小修在此"]
            _, report = await house.health.report()
            states = {name: part["state"] for name, part in report["parts"].items()}
            assert states["telegram:main"] == states["telegram:repairs"] == "ok"


async def test_an_account_whose_persona_is_not_there_stops_the_start(company, redis_url, store):
    accounts = ({"token": "111:shop-token", "persona": "repair"},)
    with pytest.raises(ConfigError) as complaint:
        async with open_house(settings_for(company, redis_url, telegram=accounts)):
            pass
    assert str(complaint.value) == (
        'telegram account main: persona holds "repair", should be one of repairs or shop'
    )


async def test_a_platform_that_is_away_does_not_keep_xiaoq_from_starting(company, redis_url, store):
    accounts = ({"token": "111:shop-token", "api_base": "http://127.0.0.1:9"},)
    async with running(settings_for(company, redis_url, telegram=accounts)) as house:
        is_ready, report = await house.health.report()
    assert is_ready
    assert report["parts"]["telegram:main"]["state"] == "degraded"
    assert "111" not in str(report["parts"]["telegram:main"])


async def test_all_accounts_with_wrong_tokens_are_named_at_once(company, redis_url, store):
    async with telegram_peer() as telegram:
        accounts = tuple(
            {"name": name, "token": f"{number}:nobody-has-it", "api_base": telegram.url}
            for number, name in ((111, "main"), (222, "repairs"))
        )
        with pytest.raises(ConfigError) as complaint:
            async with open_house(settings_for(company, redis_url, telegram=accounts)):
                pass
    lines = str(complaint.value).splitlines()
    assert len(lines) == 2
    assert "repairs" in lines[1]
    assert "nobody-has-it" not in str(complaint.value)
