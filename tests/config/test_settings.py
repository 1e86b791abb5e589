from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import ApiKey, ApiSettings, HttpSettings, RedisSettings, Settings


def test_every_setting_has_a_default():
    settings = Settings()
    assert settings.http.port == 8080
    assert settings.personas_dir == Path("config/personas")
    assert settings.redis.url is None
    assert settings.inference.endpoints == ()


def test_building_settings_by_hand_does_not_read_the_environment(monkeypatch):
    monkeypatch.setenv("XIAOQ_HTTP__PORT", "9999")
    assert Settings().http.port == 8080


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().http.port = 1


def test_true_is_no_port():
    with pytest.raises(ValidationError, match="is no number"):
        HttpSettings(port=True)


def test_an_empty_text_is_no_folder():
    with pytest.raises(ValidationError, match="is empty"):
        Settings(state_dir="")


@pytest.mark.parametrize(
    "address",
    [
        "redis://localhost",
        "rediss://:password@cache.example:6380/1",
        "redis+cluster://node-1:7000",
        "redis://[::1]:6379",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_addresses_of_redis_are_taken(address):
    assert RedisSettings(url=address).url.get_secret_value() == address


@pytest.mark.parametrize(
    "address",
    [
        "localhost:6379",
        "http://localhost:6379",
        "redis:///0",
        "redis://:pa/ss@localhost",
        "redis://localhost:99999",
        "redis://[::1",
        "unix:?db=1",
        "/run/redis.sock",
    ],
)
def test_what_is_no_address_of_redis_is_refused_without_being_repeated(address):
    with pytest.raises(ValidationError) as caught:
        RedisSettings(url=address)
    assert address not in str(caught.value)


def test_two_keys_must_differ_in_name_and_in_secret():
    one = ApiKey(name="crm", key="first-long-key")
    with pytest.raises(ValidationError, match='two keys are named "crm"'):
        ApiSettings(keys=(one, ApiKey(name="crm", key="other-long-key")))
    with pytest.raises(ValidationError, match='under the names "crm" and "page"') as caught:
        ApiSettings(keys=(one, ApiKey(name="page", key="first-long-key")))
    assert "first-long-key" not in str(caught.value)


def test_printing_settings_shows_no_secret():
    settings = Settings(
        redis=RedisSettings(url="redis://:hunter22@localhost"),
        api=ApiSettings(keys=(ApiKey(name="crm", key="hunter22-key"),)),
    )
    assert "hunter22" not in repr(settings)
    assert "hunter22" not in settings.model_dump_json()
