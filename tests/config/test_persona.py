import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from config.errors import PersonaError
from config.persona import (
    SENTENCES,
    check_personas,
    load_persona,
    load_personas,
    route,
    scan_personas,
    set_value,
)

SHIPPED = Path(__file__).parents[2] / "config" / "personas"

CARD = """\
# a comment for administrators
name: {name}
business_line: a shop   # seen by the model
language:
  reply: customer
  fallback: zh
tone: polite
rules: |
  be short
greeting:
  zh: 您好
  en: Hello
sentences:
  apology: {{zh: 抱歉, en: Sorry}}
  refusal: {{zh: 不行}}
  busy: {{zh: 忙, en: Busy, zh-TW: 忙碌}}
  handoff: {{zh: 热线}}
  off_hours: {{zh: 下班}}
  unknown: {{zh: 不知道}}
  fresh: {{zh: 重来}}
# behind the sentences
channels: [{channels}]
"""


@pytest.fixture
def write(tmp_path):
    """Write a persona file; `change` replaces parts of its text."""

    def to_file(stem="a", name="A", channels='"*"', change=()):
        text = CARD.format(name=name, channels=channels)
        for old, new in change:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{stem}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def complaints(call, *arguments):
    with pytest.raises(PersonaError) as caught:
        call(*arguments)
    return str(caught.value).split("\n")


def test_the_shipped_personas_are_good_and_serve_two_lines_of_business():
    personas = load_personas(SHIPPED)
    assert set(personas) == {"xiaoq", "repairs"}
    xiaoq, repairs = personas["xiaoq"].card, personas["repairs"].card
    assert xiaoq.name == "小Q"
    assert xiaoq.answer.max_characters == 300
    assert xiaoq.sampling.max_tokens == 512
    assert xiaoq.moderation.categories == ("abuse", "fraud", "injection")
    assert (xiaoq.knowledge, repairs.knowledge) == (("shop",), ("repairs",))
    assert all(persona.languages == ("zh", "en") for persona in personas.values())
    for language in ("zh", "en"):
        text = personas["xiaoq"].sentence("handoff", language)
        assert "400-820-1234" in text
        assert "service@qinghe.example" in text


def test_the_shipped_personas_route_as_their_files_say():
    personas = load_personas(SHIPPED)
    routes = {
        ("web", "repairs"): "repairs",
        ("api", "repairs"): "repairs",
        ("web", "main"): "xiaoq",
        ("telegram", "repairs"): "xiaoq",
    }
    for (channel, account), identity in routes.items():
        assert route(personas, channel, account).id == identity


def test_a_persona_is_known_by_its_file_and_cannot_be_changed(write):
    persona = load_persona(write("line-2"))
    assert persona.id == "line-2"
    with pytest.raises(FrozenInstanceError):
        persona.id = "x"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "忙"),
        ("en", "Busy"),
        ("en-GB", "Busy"),
        ("zh-TW", "忙碌"),
        ("zh_tw", "忙碌"),
        ("ZH", "忙"),
        ("zh-HK", "忙"),
        ("fr", "忙"),
        ("", "忙"),
    ],
)
def test_a_sentence_comes_in_the_nearest_language(write, language, text):
    assert load_persona(write()).sentence("busy", language) == text


def test_a_greeting_comes_in_the_nearest_language(write):
    persona = load_persona(write())
    assert persona.greeting("en-US") == "Hello"
    assert persona.greeting("ja") == "您好"


def test_every_sentence_can_be_said_in_any_language(write):
    persona = load_persona(write())
    assert all(persona.sentence(kind, "xx") for kind in SENTENCES)


def test_a_language_counts_only_if_everything_is_there_in_it(write):
    assert load_persona(write()).languages == ("zh",)
    english = [("refusal: {zh: 不行}", "refusal: {zh: 不行, en: No}")]
    for kind in ("handoff", "off_hours", "unknown", "fresh"):
        english.append((f"{kind}: {{", f"{kind}: {{en: x, "))
    assert load_persona(write(change=english)).languages == ("zh", "en")


def test_the_version_follows_the_content_and_not_the_layout(write):
    before = load_persona(write()).version
    assert re.fullmatch("[0-9a-f]{8}", before)
    comments = [("# a comment for administrators", "# another\n\n"), ("polite", "'polite'  # so")]
    assert load_persona(write(change=comments)).version == before
    assert load_persona(write(change=[("tone: polite", "tone: polite!")])).version != before


def test_a_default_written_out_is_the_same_version(write):
    spelled = [("channels:", "memory: {idle_hours: 24}\nchannels:")]
    assert load_persona(write(change=spelled)).version == load_persona(write()).version


def test_all_problems_of_a_file_come_at_once_in_the_order_of_its_lines(write):
    path = write(
        change=[
            ("reply: customer", "reply: costumer"),
            ("tone: polite", "tnoe: polite"),
            ("  zh: 您好\n", ""),
            ("{zh: 不行}", "{en: No}"),
            ("off_hours", "of_hours"),
        ]
    )
    assert complaints(load_persona, path) == [
        f"{path}:2: tone: is missing, should be text of at most 1000 characters",
        f'{path}:5: language.reply: holds "costumer", should be customer, or a language code '
        "such as zh",
        f'{path}:7: tnoe: is not a known name; did you mean "tone"?',
        f'{path}:10: greeting: should also be there in the fallback language, "zh"',
        f"{path}:12: sentences.off_hours: is missing, should be languages with a text of at most "
        "1000 characters each, such as zh: 您好",
        f'{path}:14: sentences.refusal: should also be there in the fallback language, "zh"',
        f'{path}:17: sentences.of_hours: is not a known name; did you mean "off_hours"?',
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            "hours: {timezone: Asia/Shanghia, open: 09:00, close: 21:00}",
            'hours.timezone: holds "Asia/Shanghia", should be a time zone such as Asia/Shanghai '
            "or Europe/Berlin",
        ),
        (
            "hours: {timezone: UTC, open: 9, close: 21:00}",
            'hours.open: holds 9 without quotation marks, should be a time such as "09:00"',
        ),
        (
            "hours: {timezone: UTC, open: 09:00, close: 09:00}",
            "hours: opens and closes at the same time; for the whole day write 00:00 and 24:00",
        ),
        (
            "knowledge: [../secrets]",
            'knowledge, entry 1: holds "../secrets", should be a folder inside the knowledge '
            "folder, such as shop, without .. or a leading /",
        ),
        (
            "sampling: {temperature: 3}",
            "sampling.temperature: holds 3, should be a number from 0 to 2",
        ),
        (
            "suggestions: {English: [Hello?]}",
            "suggestions.English: is named so, but the name should be a language code such as zh, "
            "en or zh-TW",
        ),
    ],
)
def test_a_problem_says_what_would_be_right(write, more, line):
    path = write(change=[("channels:", f"{more}\nchannels:")])
    assert complaints(load_persona, path) == [f"{path}:22: {line}"]


def test_the_fallback_language_may_be_another_one(write):
    path = write(change=[("fallback: zh", "fallback: en")])
    lines = complaints(load_persona, path)
    assert len(lines) == 5
    assert lines[0] == (
        f'{path}:15: sentences.refusal: should also be there in the fallback language, "en"'
    )


def test_broken_yaml_is_a_problem_of_the_persona(write):
    path = write(change=[("tone: polite", "tone: 'polite")])
    assert complaints(load_persona, path) == [
        f"{path}:7:7: a quotation mark is opened here and never closed"
    ]


def test_a_group_with_nothing_in_it_means_its_defaults(write):
    path = write(change=[("channels:", "memory:\n  # idle_hours: 48\nchannels:")])
    assert load_persona(path).card.memory.idle_hours == 24


@pytest.mark.parametrize("stem", ["XiaoQ", "a b", "小q", "x" * 41])
def test_a_file_needs_a_plain_name(write, stem):
    path = write(stem)
    assert complaints(load_persona, path) == [
        f"{path}: the name of the file should consist of at most 40 small letters a-z, digits and "
        "hyphens, such as xiaoq.yaml"
    ]


def test_a_folder_gives_its_good_personas_beside_the_problems_of_the_others(write, tmp_path):
    write("good")
    broken = write("broken", change=[("tone: polite", "tone: 7")])
    personas, problems = scan_personas(tmp_path)
    assert list(personas) == ["good"]
    assert problems == [
        f"{broken}:7: tone: holds 7 without quotation marks, should be text of at most "
        "1000 characters"
    ]
    assert complaints(load_personas, tmp_path) == problems


def test_files_of_editors_and_other_files_are_left_alone(write, tmp_path):
    write("good")
    for name in (".good.yaml.swp", ".#good.yaml", "good.yaml~", "README.md", ".hidden.yaml"):
        (tmp_path / name).write_text("- not a persona")
    assert list(load_personas(tmp_path)) == ["good"]


def test_a_folder_without_personas_is_a_problem(tmp_path):
    line = f"{tmp_path}: should hold a persona file, such as xiaoq.yaml"
    assert scan_personas(tmp_path) == ({}, [line])
    assert complaints(load_personas, tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere: should hold a persona file, such as xiaoq.yaml"
    ]


def test_one_id_in_two_files_is_a_problem(write, tmp_path):
    path = write("a")
    path.with_suffix(".yml").write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    assert complaints(load_personas, tmp_path) == [
        f"{tmp_path}/a.yml: has the same name as {tmp_path}/a.yaml; remove one of the two"
    ]


@pytest.mark.parametrize("channels", ['"*"', "web", '"web:repairs"'])
def test_two_personas_with_one_channel_are_named_with_both_files(write, tmp_path, channels):
    one, other = write("a", "A", channels), write("b", "B", channels)
    channel = channels.strip('"')
    assert complaints(load_personas, tmp_path) == [
        f'{one} and {other}: both claim the channel "{channel}"; one should give it up'
    ]


@pytest.mark.parametrize("name", ["A", "a", "b"])
def test_two_personas_with_one_name_are_named_with_both_files(write, tmp_path, name):
    one, other = write("b", "A", "web"), write("c", name, "api")
    (line,) = complaints(load_personas, tmp_path)
    assert line.startswith(f"{one} and {other}: both answer to the name")


def test_conflicts_are_for_the_caller_of_a_scan_to_decide(write, tmp_path):
    write("a", "A", "web"), write("b", "B", "web")
    personas, problems = scan_personas(tmp_path)
    assert (list(personas), problems) == (["a", "b"], [])
    assert len(check_personas(personas)) == 1


def test_an_account_goes_before_its_channel_and_that_before_the_rest(write, tmp_path):
    write("account", "A", '"web:x"'), write("channel", "B", "web, api"), write("rest", "C")
    personas = load_personas(tmp_path)
    found = [route(personas, *where).id for where in [("web", "x"), ("web", "y"), ("slack", "x")]]
    assert found == ["account", "channel", "rest"]
    del personas["rest"]
    assert route(personas, "slack", "x") is None


def test_a_changed_value_leaves_every_comment_where_it_was(write):
    path = write()
    before = path.read_text(encoding="utf-8")
    persona = set_value(path, ("tone",), "warm: and brief")
    assert persona.card.tone == "warm: and brief"
    assert persona == load_persona(path)
    after = path.read_text(encoding="utf-8")
    assert after == before.replace("tone: polite", 'tone: "warm: and brief"')


@pytest.mark.parametrize("name", ["xiaoq", "repairs"])
def test_every_text_of_the_shipped_personas_can_be_changed_without_losing_a_comment(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    original = (SHIPPED / path.name).read_text(encoding="utf-8")
    comments = [line for line in original.split("\n") if line.lstrip().startswith("#")]
    path.write_text(original, encoding="utf-8")
    for kind in SENTENCES:
        set_value(path, ("sentences", kind, "en"), f"new: {kind}")
    set_value(path, ("rules",), "one\n\n- two")
    set_value(path, ("knowledge",), [".", "repairs"])
    set_value(path, ("moderation", "allow"), ["退款", "a, b"])
    set_value(path, ("channels",), ["web", "web:repairs"])
    card = set_value(path, ("sampling", "temperature"), 0).card
    assert card.sentences.fresh["en"] == "new: fresh"
    assert (card.rules, card.knowledge) == ("one\n\n- two", (".", "repairs"))
    assert card.moderation.allow == ("退款", "a, b")
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.split("\n") if line.lstrip().startswith("#")] == comments


@pytest.mark.parametrize(
    ("key_path", "value"),
    [
        (("name",), ""),
        (("sampling", "temperature"), 3),
        (("sentences", "busy"), {"en": "Busy"}),
        (("tnoe",), "x"),
        (("name", "x"), "x"),
        (("channels",), ["web", "web"]),
    ],
)
def test_a_change_that_would_not_be_good_is_refused_and_leaves_the_file_alone(
    write, key_path, value
):
    path = write()
    before = path.read_bytes()
    complaints(set_value, path, key_path, value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_change_that_would_take_another_personas_channel_is_refused(write, tmp_path):
    write("a", "A", "web")
    path = write("b", "B", "api")
    (line,) = complaints(set_value, path, ("channels",), ["api", "web"])
    assert 'both claim the channel "web"' in line
    assert load_personas(tmp_path)["b"].card.channels == ("api",)


def test_a_change_keeps_the_rights_of_the_file_and_the_link_to_it(write, tmp_path):
    path = write()
    path.chmod(0o640)
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / "b.yaml"
    link.symlink_to(path)
    assert set_value(link, ("tone",), "warm").id == "b"
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_persona(path).card.tone == "warm"
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.yaml", "linked"}


def test_a_file_that_cannot_be_read_or_written_is_a_problem(tmp_path):
    complaints(set_value, tmp_path / "nowhere.yaml", ("tone",), "x")
