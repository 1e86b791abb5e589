"""The screen that a start ends in."""

import unicodedata
from dataclasses import replace

import pytest
from company import found_company, running, settings_for, write_persona

from bots.house import Role
from bots.screen import address_of, redis_place, welcome
from config.settings import (
    HttpSettings,
    RedisSettings,
    SlackSettings,
    TelegramSettings,
    WeComSettings,
)


@pytest.fixture
def company(tmp_path):
    return found_company(tmp_path)


def row(screen: str, name: str) -> list[str]:
    """The words of the line about a part."""
    (line,) = (words for line in screen.splitlines() if name in (words := line.split())[:2])
    return line


async def test_what_is_off_is_marked_and_its_setting_named(company, redis_url, store):
    write_persona(company, "repairs", "小修", '"web:repairs"')
    async with running(settings_for(company, redis_url)) as house:
        screen = welcome(house)
    assert row(screen, "Personas") == ["●", "Personas", "小修", "(repairs),", "小Q", "(shop)"]
    assert row(screen, "Knowledge")[:4] == ["●", "Knowledge", "4", "entries"]
    assert row(screen, "Redis")[0] == "●"
    assert (row(screen, "Model")[0], row(screen, "Model")[-1]) == (
        "○",
        "XIAOQ_INFERENCE__ENDPOINTS",
    )
    assert (row(screen, "API")[0], row(screen, "API")[-1]) == ("○", "XIAOQ_API__KEYS")
    assert "off until the setting after →" in screen


async def test_settings_to_make_stand_under_each_other(company, redis_url, store):
    async with running(settings_for(company, redis_url)) as house:
        hints = [line for line in welcome(house).splitlines() if "→ XIAOQ" in line]
    columns = {
        sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in line.partition("→")[0])
        for line in hints
    }
    assert len(hints) == 5
    assert len(columns) == 1


async def test_what_is_on_is_not_called_off_and_no_secret_is_shown(company, redis_url, store):
    settings = settings_for(
        company,
        redis_url,
        api={"keys": [{"name": "crm", "key": "a-very-secret-key"}]},
        inference={
            "endpoints": [{"url": "http://a/v1", "model": "m", "api_key": "secret"}] * 2,
        },
    )
    accounts = settings.model_copy(
        update={
            "telegram": (
                TelegramSettings(token="1:secret-one"),
                TelegramSettings(name="repairs", token="2:secret-two"),
            ),
            "slack": (SlackSettings(bot_token="xoxb-secret", app_token="xapp-secret"),),
            "wecom": (
                WeComSettings(aibot_token="a-secret", aibot_aes_key="secretkey" * 4 + "secretA"),
            ),
        }
    )
    async with running(settings) as house:
        screen = welcome(replace(house, settings=accounts))
    assert row(screen, "Model") == ["●", "Model", "2", "endpoints"]
    assert row(screen, "Telegram") == ["●", "Telegram", "main,", "repairs"]
    assert row(screen, "Slack") == ["●", "Slack", "main"]
    assert row(screen, "WeCom") == ["●", "WeCom", "main"]
    assert row(screen, "API") == ["●", "API", "/v1,", "1", "key"]
    for never in ("○", "→", "XIAOQ_", "secret"):
        assert never not in screen


async def test_knowledge_that_is_left_out_is_mentioned(company, redis_url, store):
    (company / "knowledge/shop/old.pdf").write_bytes(b"%PDF")
    async with running(settings_for(company, redis_url)) as house:
        screen = welcome(house)
    line = row(screen, "Knowledge")
    assert line[0] == "!"
    assert "1 problem, named under State" in " ".join(line)


async def test_a_worker_shows_neither_page_nor_api(company, redis_url, store):
    async with running(settings_for(company, redis_url), Role.GATEWAY) as door:
        gateway = welcome(door)
    async with running(settings_for(company, redis_url), Role.WORKER) as back:
        worker = welcome(back)
    assert "role gateway" in gateway
    assert "role worker" in worker
    assert [name in gateway for name in ("Chat page", "API")] == [True, True]
    assert [name in worker for name in ("Chat page", "API")] == [False, False]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("shop.example", "http://shop.example:80"),
    ],
)
def test_the_address_is_one_a_browser_here_can_open(host, address):
    assert address_of(HttpSettings(host=host, port=80)) == address


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (None, ""),
        ("redis://me:hush@db.example:6380/1", "db.example:6380"),
        ("rediss://db.example", "db.example"),
        ("unix:///run/redis.sock?password=hush", "/run/redis.sock"),
    ],
)
def test_the_place_of_redis_has_no_password(url, place):
    assert redis_place(RedisSettings(url=url)) == place
