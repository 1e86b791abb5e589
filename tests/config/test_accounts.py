"""Accounts of WeCom in the settings: what is on, and what it lacks."""

import pytest

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
CALLBACK = {
    "XIAOQ_WECOM__CORP_ID": "wwcorp1",
    "XIAOQ_WECOM__CALLBACK_TOKEN": "token",
    "XIAOQ_WECOM__ENCODING_AES_KEY": KEY,
}


def test_one_secret_switches_one_part_on(load):
    (kf,) = load(**CALLBACK, XIAOQ_WECOM__KF_SECRET="secret").wecom
    assert (bool(kf.kf_secret), kf.app_secret, kf.has_aibot) == (True, None, False)
    app = {"XIAOQ_WECOM__APP_SECRET": "secret", "XIAOQ_WECOM__AGENT_ID": "1000002"}
    assert load(**CALLBACK, **app).wecom[0].agent_id == 1000002
    bot = {"XIAOQ_WECOM__AIBOT_TOKEN": "token", "XIAOQ_WECOM__AIBOT_AES_KEY": KEY}
    assert load(**bot).wecom[0].has_aibot


def test_without_a_secret_wecom_is_off(load):
    assert load(**CALLBACK).wecom == ()


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (
            {"XIAOQ_WECOM__KF_SECRET": "secret"},
            "has kf_secret without corp_id and callback_token and encoding_aes_key",
        ),
        ({**CALLBACK, "XIAOQ_WECOM__APP_SECRET": "secret"}, "has app_secret without agent_id"),
        ({"XIAOQ_WECOM__AIBOT_TOKEN": "token"}, "has the AI bot without aibot_aes_key"),
        (
            {"XIAOQ_WECOM__AIBOT_SECRET": "secret", "XIAOQ_WECOM__AIBOT_MODE": "socket"},
            "has the AI bot in socket mode without aibot_id",
        ),
    ],
)
def test_what_a_part_lacks_is_named(complaints, given, lacking):
    (line,) = complaints("", **given)
    assert line == f"XIAOQ_WECOM: {lacking}"


@pytest.mark.parametrize("key", ["short", KEY + "A", "!" * 43])
def test_a_key_that_cannot_be_one_is_a_mistake_and_not_repeated(complaints, key):
    given = CALLBACK | {"XIAOQ_WECOM__ENCODING_AES_KEY": key, "XIAOQ_WECOM__KF_SECRET": "secret"}
    (line,) = complaints("", **given)
    assert line == (
        "XIAOQ_WECOM__ENCODING_AES_KEY: holds a value that is not shown, should be the 43 letters "
        "and digits of an EncodingAESKey"
    )


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://proxy:8080", "http://proxy:8080/cgi-bin/"),
        ("http://proxy:8080/", "http://proxy:8080/cgi-bin/"),
        ("http://proxy/cgi-bin", "http://proxy/cgi-bin"),
        ("http://proxy/wecom/cgi-bin/", "http://proxy/wecom/cgi-bin/"),
    ],
)
def test_a_proxy_named_alone_has_the_paths_of_what_it_stands_for(load, given, base):
    settings = load(**CALLBACK, XIAOQ_WECOM__KF_SECRET="secret", XIAOQ_WECOM__API_BASE=given)
    assert str(settings.wecom[0].api_base) == base
