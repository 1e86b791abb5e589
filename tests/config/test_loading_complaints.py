import json
import os

import pytest

from config.loading import variable

CANARY = "canary-canary-canary"
KEYS = "XIAOQ_API__KEYS"
ENDPOINTS = "XIAOQ_INFERENCE__ENDPOINTS"


def test_a_value_out_of_bounds_is_named_with_its_variable(complaints):
    assert complaints(XIAOQ_HTTP__PORT="70000") == [
        'XIAOQ_HTTP__PORT: holds "70000", should be a whole number from 1 to 65535'
    ]


@pytest.mark.parametrize(
    ("name", "value", "should"),
    [
        ("XIAOQ_HTTP__PORT", "eighty", "a whole number from 1 to 65535"),
        ("XIAOQ_INBOX__BACKLOG", "0", "a whole number of at least 1"),
        ("XIAOQ_INFERENCE__QUEUE_SECONDS", "inf", "a number above 0 and at most 86400"),
        ("XIAOQ_INFERENCE__QUEUE_SECONDS", "nan", "a number above 0 and at most 86400"),
        ("XIAOQ_INBOX__GRACE_SECONDS", "-1", "a number from 0 to 86400"),
        ("XIAOQ_WEB__COOKIE_SECURE", "maybe", "true or false"),
        ("XIAOQ_LOG__LEVEL", "INFO", "one of debug, info, warning or error"),
    ],
)
def test_a_complaint_says_what_is_held_and_what_should_be(complaints, name, value, should):
    assert complaints(**{name: value}) == [f'{name}: holds "{value}", should be {should}']


def test_a_yaml_value_is_named_with_file_line_and_key(complaints):
    assert complaints("log:\n  level: info\nhttp:\n\n  # the door\n  port: no\n") == [
        'xiaoq.yaml:6: http.port: holds "no", should be a whole number from 1 to 65535'
    ]


def test_an_entry_of_a_yaml_list_is_named_with_its_own_line(complaints):
    yaml = """\
inference:
  endpoints:
    - url: http://localhost:8000/v1
      model: qwen
    - url: http://localhost:8001/v1
      model: qwen
      concurrency: 0
    - model: qwen
"""
    assert complaints(yaml) == [
        "xiaoq.yaml:7: inference.endpoints, entry 2, concurrency: holds 0, "
        "should be a whole number from 1 to 1024",
        "xiaoq.yaml:8: inference.endpoints, entry 3, url: is missing, "
        "should be an address that begins with http:// or https://",
    ]


def test_text_that_yaml_reads_as_a_number_is_explained(complaints):
    assert complaints("http:\n  host: 127\n") == [
        "xiaoq.yaml:2: http.host: holds 127 without quotation marks, should be text"
    ]


def test_a_secret_file_is_named_and_its_value_never_shown(complaints, secrets):
    (secrets / "xiaoq_http__port").write_text(CANARY)
    assert complaints() == [
        f"secret file {secrets}/xiaoq_http__port: holds a value that is not shown, "
        "should be a whole number from 1 to 65535"
    ]


def test_an_empty_secret_file_is_a_mistake(complaints, secrets):
    (secrets / "xiaoq_web__cookie_secret").write_text("\n")
    assert complaints() == [
        f"secret file {secrets}/xiaoq_web__cookie_secret: is empty, "
        "should be text of at least 16 characters"
    ]


def test_a_secret_that_is_no_file_is_a_mistake(complaints, secrets):
    (secrets / "xiaoq_web__cookie_secret").mkdir()
    assert complaints() == [
        f"secret file {secrets}/xiaoq_web__cookie_secret: is no file; it should be a text file"
    ]


def test_a_secret_file_that_names_no_setting_is_a_mistake(complaints, secrets):
    (secrets / "xiaoq_web__cookie_secrt").write_text(CANARY)
    assert complaints() == [
        f"secret file {secrets}/xiaoq_web__cookie_secrt: is no setting; "
        "did you mean XIAOQ_WEB__COOKIE_SECRET?"
    ]


def test_a_secret_twice_in_different_cases_is_a_mistake(complaints, secrets):
    for name in ("XIAOQ_WEB__COOKIE_SECRET", "xiaoq_web__cookie_secret"):
        (secrets / name).write_text(CANARY)
    assert complaints() == [
        f"secret file {secrets}/xiaoq_web__cookie_secret: is there twice, "
        "also as XIAOQ_WEB__COOKIE_SECRET; keep one"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("XIAOQ_HTTP_PORT", "XIAOQ_HTTP__PORT"),
        ("XIAOQ_HTTP__PROT", "XIAOQ_HTTP__PORT"),
        ("XIAOQ_PERSONA_DIR", "XIAOQ_PERSONAS_DIR"),
        ("XIAOQ_LOGS__LEVEL", "XIAOQ_LOG__LEVEL"),
        ("xiaoq_redis__ulr", "XIAOQ_REDIS__URL"),
    ],
)
def test_a_misspelt_variable_is_a_mistake_with_a_suggestion(complaints, name, meant):
    assert complaints(**{name: "1"}) == [f"{name}: is no setting; did you mean {meant}?"]


@pytest.mark.parametrize("name", ["XIAOQ_FOO", "XIAOQ_", "XIAOQ_HTTP__PORT__X__Y__Z", "XIAOQ_HTTP"])
def test_any_other_variable_with_our_prefix_is_a_mistake_too(complaints, name):
    (line,) = complaints(**{name: "1"})
    assert line.startswith(f"{name}: is no setting; ")


def test_a_misspelt_variable_is_a_mistake_even_if_it_is_empty(complaints):
    assert complaints(XIAOQ_HTTP__PROT="")


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("htpp: {port: 1}", 'xiaoq.yaml:1: htpp: is not a known name; did you mean "http"?'),
        ("http:\n  prot: 1", 'xiaoq.yaml:2: http.prot: is not a known name; did you mean "port"?'),
        (
            "http:\n  colour: 1",
            "xiaoq.yaml:2: http.colour: is not a known name; known are host, port, max_body_bytes",
        ),
        (
            "api:\n  keys:\n  - nmae: a\n    key: '12345678'\n    name: b",
            'xiaoq.yaml:3: api.keys, entry 1, nmae: is not a known name; did you mean "name"?',
        ),
        ("_env_file: x", None),
        ("self: x", None),
    ],
)
def test_a_misspelt_yaml_key_is_a_mistake_at_every_level(complaints, yaml, line):
    (found,) = complaints(yaml)
    assert line is None or found == line
    assert "known" in found


@pytest.mark.parametrize("value", ["5", "[1]", "text"])
def test_a_group_that_is_none_is_a_mistake_even_where_variables_fill_it(complaints, value):
    (line,) = complaints(f"http: {value}", XIAOQ_HTTP__PORT="81")
    assert line.endswith("should be a group with the names host, port, max_body_bytes")


def test_all_mistakes_of_all_sources_are_said_at_once(complaints, secrets):
    (secrets / "xiaoq_fo").write_text("")
    lines = complaints(
        "http:\n  port: 0\nlog: {level: loud}\nknowledge_dir: nowhere\n",
        XIAOQ_HTTP__PORT="0",
        XIAOQ_BAR="1",
        XIAOQ_API__KEYS='[{"name": "a"}, {"name": "b", "key": "short"}]',
    )
    assert [line.split(": ")[0] for line in lines] == [
        "XIAOQ_BAR",
        "XIAOQ_HTTP__PORT",
        "XIAOQ_API__KEYS, entry 1, key",
        "XIAOQ_API__KEYS, entry 2, key",
        f"secret file {secrets}/xiaoq_fo",
        "xiaoq.yaml:2",
        "xiaoq.yaml:3",
        "xiaoq.yaml:4",
    ]


def test_two_keys_of_one_name_are_a_mistake(complaints):
    keys = [{"name": "crm", "key": "12345678"}, {"name": "crm", "key": "87654321"}]
    assert complaints(XIAOQ_API__KEYS=json.dumps(keys)) == [
        f'{KEYS}: two keys are named "crm"; every key should have a name of its own'
    ]


@pytest.mark.parametrize("name", ["personas_dir", "knowledge_dir", "words_dir"])
def test_a_folder_that_is_not_there_is_named_with_its_setting(complaints, home, name):
    assert complaints(**{variable([name]): "nowhere"}) == [
        f'{variable([name])}: holds "nowhere", should be the path of an existing folder'
    ]
    assert complaints(f"{name}: nowhere") == [
        f'xiaoq.yaml:1: {name}: holds "nowhere", should be the path of an existing folder'
    ]


def test_a_default_folder_that_is_not_there_is_named_with_its_setting(complaints, home):
    (home / "config" / "words").rmdir()
    assert complaints() == [
        "XIAOQ_WORDS_DIR: is not set, and its default config/words is no folder here; "
        "should be the path of an existing folder"
    ]


def test_a_missing_yaml_file_is_named_with_its_variable(complaints):
    assert complaints(XIAOQ_CONFIG="nowhere.yaml") == [
        'XIAOQ_CONFIG: holds "nowhere.yaml", should be an existing YAML file'
    ]


def test_broken_yaml_is_named_with_line_and_column_beside_all_else(complaints):
    assert complaints("http:\n  port: 1\n\thost: a\n", XIAOQ_FOO="1")[1:] == [
        "xiaoq.yaml:3:1: a tab stands here; indent with spaces"
    ]


@pytest.mark.parametrize(
    "environ",
    [
        {KEYS: CANARY},
        {KEYS: f'"{CANARY}'},
        {KEYS: f'["{CANARY}"]'},
        {KEYS: f'[{{"name": "a", "key": "{CANARY}", "x": 1}}]'},
        {KEYS: f'[{{"{CANARY}": "a"}}]'},
        {KEYS: f'[{{"name": "a", "key": ["{CANARY}"]}}]'},
        {KEYS: f'[{{"name": "a", "key": "12345678", "per_minute": "{CANARY}"}}]'},
        {KEYS: f'{{"a": "{CANARY}"}}'},
        {ENDPOINTS: f"[{CANARY}"},
        {ENDPOINTS: f'[{{"url": "{CANARY}", "model": 3}}]'},
        {ENDPOINTS: f'[{{"url": "http://u:{CANARY}@h:x/v1", "model": "m"}}]'},
        {ENDPOINTS: f'[{{"api_key": "{CANARY}", "model": "m"}}]'},
        {"XIAOQ_REDIS__URL": CANARY},
        {"XIAOQ_REDIS__URL": f"redis://:{CANARY}@host:port"},
        {"XIAOQ_REDIS__URL": f"redis://:{CANARY}/x@host"},
        {"XIAOQ_WEB__COOKIE_SECRET": CANARY[:15]},
        {"XIAOQ_HTTP__PORT": f"redis://:{CANARY}@host"},
        {"XIAOQ_PERSONAS_DIR": f"https://bot:{CANARY}@host/x"},
    ],
)
def test_no_secret_of_the_environment_is_ever_repeated(complaints, environ):
    text = "\n".join(complaints(**environ))
    assert "canary" not in text


@pytest.mark.parametrize(
    "yaml",
    [
        f"web: {CANARY}",
        f"web: {{cookie_secret: [{CANARY}]}}",
        f"web: {{{CANARY}}}",
        f"web: {{cookie_secret: '{CANARY}",
        f"redis: {{url: {CANARY}}}",
        f"redis: redis://:{CANARY}@host",
        f"api: [{CANARY}]",
        f"api: {{keys: {CANARY}}}",
        f"api: {{keys: [{CANARY}]}}",
        f"api: {{keys: [{{name: a, key: {CANARY}, per_minute: 0}}]}}",
        f"api: {{keys: [{{name: {{a: {CANARY}}}, key: [1]}}]}}",
        f"inference: {{endpoints: [{{url: '{CANARY}', model: m}}]}}",
    ],
)
def test_no_secret_of_a_yaml_file_is_ever_repeated(complaints, yaml):
    assert "canary" not in "\n".join(complaints(yaml))


def test_a_value_with_line_breaks_stays_one_line(complaints):
    assert complaints(XIAOQ_HTTP__PORT="1\n2\r\n3") == [
        r'XIAOQ_HTTP__PORT: holds "1\n2\r\n3", should be a whole number from 1 to 65535'
    ]


def test_a_value_that_is_no_text_can_still_be_printed(complaints):
    (line,) = complaints(XIAOQ_HTTP__HOST=os.fsdecode(b"\xff"))
    assert line.encode() == rb'XIAOQ_HTTP__HOST: holds "\udcff", should be text'


def test_a_long_value_is_cut(complaints):
    (line,) = complaints(XIAOQ_HTTP__PORT="9" * 5000)
    assert len(line) < 160


def test_an_account_that_is_not_whole_is_a_mistake_of_all_sources_together(complaints):
    (line,) = complaints("", XIAOQ_TELEGRAM__TOKEN="123:token-here", XIAOQ_TELEGRAM__MODE="webhook")
    assert line.startswith("XIAOQ_TELEGRAM: has mode webhook without public_url; should have")


def test_slack_without_a_way_to_hear_is_a_mistake(complaints):
    (line,) = complaints("slack: {bot_token: xoxb-1}")
    assert line.startswith("XIAOQ_SLACK: has neither app_token nor signing_secret")


def test_mistakes_in_accounts_name_account_file_and_line_and_never_a_token(complaints):
    found = complaints(
        "telegram:\n"
        '  - {token: "111:secret", mode: poling}\n'
        "  - {name: Büro, token: short}\n"
        "  - {token: 111111111}\n"
    )
    assert [line.partition(": ")[2] for line in found] == [
        'telegram, entry 1, mode: holds "poling", should be one of polling or webhook',
        'telegram, entry 2, name: holds "Büro", should be a short name of small letters, digits, '
        "- and _",
        "telegram, entry 2, token: holds a value that is not shown, should be text of at least 8 "
        "characters",
        "telegram, entry 3, token: holds a value that is not shown, should be text of at least 8 "
        "characters",
    ]
    assert [line.rpartition(":")[0].rpartition(".yaml:")[2][:1] for line in found] == list("2334")


def test_two_accounts_of_one_name_are_a_mistake(complaints):
    (line,) = complaints('telegram: [{token: "11111111"}, {token: "22222222"}]')
    assert 'two accounts are named "main"' in line


def test_a_secret_token_that_telegram_would_refuse_is_a_mistake(complaints):
    (line,) = complaints(
        "", XIAOQ_TELEGRAM__TOKEN="123:token-here", XIAOQ_TELEGRAM__SECRET_TOKEN="ä b"
    )
    assert line == (
        "XIAOQ_TELEGRAM__SECRET_TOKEN: holds a value that is not shown, should be 1 to 256 of A-Z, "
        "a-z, 0-9, _ and -"
    )


KF = (
    'corp_id: wwcorp1, kf_secret: "12345", callback_token: t, '
    "encoding_aes_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        (", kf_accounts: [wkA]", ""),
        (", kf_accounts: [wkA, wkB]", ", kf_accounts: [wkB]"),
    ],
)
def test_two_entries_that_answer_one_kf_account_are_a_mistake(complaints, one, other):
    """Its customers would be answered by the one and the other, each with half of the memory."""
    (line,) = complaints(f"wecom: [{{{KF}{one}}}, {{name: second, {KF}{other}}}]")
    assert '"main" and "second" would answer the same kf accounts' in line


def test_two_entries_that_share_the_kf_accounts_of_a_corp_are_none(load):
    entries = f"{{{KF}, kf_accounts: [wkA]}}, {{name: second, {KF}, kf_accounts: [wkB]}}"
    assert len(load(f"wecom: [{entries}]").wecom) == 2
