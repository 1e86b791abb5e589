import json

import pytest

from config.fields import leaves
from config.loading import load_settings, variable
from config.settings import Settings

CANARY = "canary-canary-canary"


def test_nothing_set_means_the_defaults(load):
    assert load() == Settings()


def test_the_folder_of_secrets_may_be_absent(home):
    assert load_settings({}, home / "nowhere") == Settings()


def test_every_setting_can_come_from_its_variable(load):
    values = {
        variable(leaf.path): json.dumps([]) if leaf.field.default == () else str(leaf.field.default)
        for leaf in leaves(Settings)
        if leaf.field.default is not None and not leaf.field.is_required()
    }
    assert len(values) > 25
    assert load(**values) == Settings()


def test_variables_are_read_in_any_case(load):
    assert load(xiaoq_http__port="81").http.port == 81


def test_an_empty_variable_counts_as_unset(load):
    assert load(XIAOQ_HTTP__PORT="", XIAOQ_API__KEYS="", XIAOQ_CONFIG="") == Settings()


def test_lists_come_as_json(load):
    endpoints = [{"url": "http://localhost:1/v1", "model": "qwen", "api_key": CANARY}]
    first = load(XIAOQ_INFERENCE__ENDPOINTS=json.dumps(endpoints)).inference.endpoints[0]
    assert first.model == "qwen"
    assert first.api_key.get_secret_value() == CANARY


def test_the_environment_goes_before_secret_files_and_these_before_yaml(load, secrets):
    (secrets / "xiaoq_http__port").write_text("2")
    (secrets / "XIAOQ_LIMITS__BURST").write_text("2")
    settings = load(
        "http: {port: 3, host: a.example}\nlimits: {burst: 3, per_minute: 3}\ninbox: {workers: 3}",
        XIAOQ_HTTP__PORT="1",
    )
    assert (settings.http.port, settings.http.host) == (1, "a.example")
    assert (settings.limits.burst, settings.limits.per_minute) == (2, 3)
    assert settings.inbox.workers == 3


def test_a_list_is_taken_whole_from_one_source(load):
    yaml = 'api:\n  keys:\n    - {name: a, key: "12345678"}\n    - {name: b, key: "abcdefgh"}\n'
    both = load(yaml).api.keys
    one = load(yaml, XIAOQ_API__KEYS='[{"name": "c", "key": "ABCDEFGH"}]').api.keys
    assert [key.name for key in both] == ["a", "b"]
    assert [key.name for key in one] == ["c"]


@pytest.mark.parametrize(
    ("written", "read"), [("\n", ""), ("\r\n", ""), ("\n\n", "\n"), (" ", " ")]
)
def test_one_line_break_at_the_end_of_a_secret_file_does_not_count(load, secrets, written, read):
    (secrets / "xiaoq_web__cookie_secret").write_bytes(f"{CANARY}{written}".encode())
    assert load().web.cookie_secret.get_secret_value() == f"{CANARY}{read}"


def test_secret_files_behind_links_are_read(load, secrets):
    (secrets / "..data").mkdir()
    (secrets / "..data" / "value").write_text(CANARY)
    (secrets / "XIAOQ_WEB__COOKIE_SECRET").symlink_to("..data/value")
    assert load().web.cookie_secret.get_secret_value() == CANARY


def test_files_of_others_among_the_secrets_are_left_alone(load, secrets):
    (secrets / "postgres_password").write_text("x")
    (secrets / "binary").write_bytes(b"\xff\xfe")
    assert load() == Settings()


def test_a_group_whose_lines_are_all_comments_is_no_mistake(load):
    assert load("http:\n  # port: 1\nlog:\n  level: debug\n").http.port == 8080
    assert load("http:\n  # port: 1\n", XIAOQ_HTTP__PORT="82").http.port == 82


TOKEN = "123456:a-token"


def test_variables_describe_one_account_of_a_platform(load):
    settings = load(XIAOQ_TELEGRAM__TOKEN=TOKEN, XIAOQ_TELEGRAM__PERSONA="repairs")
    (account,) = settings.telegram
    assert (account.name, account.persona, account.mode) == ("main", "repairs", "polling")
    assert account.token.get_secret_value() == TOKEN
    assert settings.slack == ()


def test_a_platform_is_off_without_its_secret(load):
    assert load(XIAOQ_TELEGRAM__MODE="webhook", XIAOQ_SLACK__APP_TOKEN="xapp-1") == Settings()


def test_a_file_can_list_several_accounts_and_variables_go_over_the_first(load):
    settings = load(
        "telegram:\n"
        '  - {token: "111:first"}\n'
        '  - {name: repairs, token: "222:second", persona: repairs}\n',
        XIAOQ_TELEGRAM__TOKEN=TOKEN,
    )
    assert [(one.name, one.token.get_secret_value()) for one in settings.telegram] == [
        ("main", TOKEN),
        ("repairs", "222:second"),
    ]


def test_an_account_may_come_from_a_file_and_its_secret_from_another_source(load, secrets):
    (secrets / "XIAOQ_TELEGRAM__TOKEN").write_text(TOKEN)
    (account,) = load("telegram: {name: shop}").telegram
    assert account.name == "shop"
    assert account.token.get_secret_value() == TOKEN


def test_every_setting_of_an_account_can_come_from_its_variable(load):
    (telegram,) = load(
        XIAOQ_TELEGRAM__TOKEN=TOKEN,
        XIAOQ_TELEGRAM__MODE="webhook",
        XIAOQ_TELEGRAM__PUBLIC_URL="https://bot.example",
        XIAOQ_TELEGRAM__SECRET_TOKEN="a-secret_1",
        XIAOQ_TELEGRAM__API_BASE="http://127.0.0.1:9",
        XIAOQ_TELEGRAM__FILE_BASE="http://127.0.0.1:9/file",
        XIAOQ_TELEGRAM__PER_SECOND="100",
    ).telegram
    assert (telegram.mode, telegram.per_second) == ("webhook", 100)
    (slack,) = load(
        XIAOQ_SLACK__BOT_TOKEN="xoxb-1",
        XIAOQ_SLACK__APP_TOKEN="xapp-1",
        XIAOQ_SLACK__SIGNING_SECRET="12345678",
        XIAOQ_SLACK__ADMINS='["U1", "U2"]',
        XIAOQ_SLACK__CONNECTIONS="3",
    ).slack
    assert (slack.admins, slack.connections) == (("U1", "U2"), 3)
