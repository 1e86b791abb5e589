import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from config.errors import PersonaError
from config.persona import SENTENCES, load_persona, load_personas, route

SHIPPED = Path(__file__).parents[2] / "config" / "personas"


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


def test_a_persona_is_known_by_its_file_and_cannot_be_changed(write_persona):
    persona = load_persona(write_persona("line-2"))
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
def test_a_sentence_comes_in_the_nearest_language(write_persona, language, text):
    assert load_persona(write_persona()).sentence("busy", language) == text


def test_a_greeting_comes_in_the_nearest_language(write_persona):
    persona = load_persona(write_persona())
    assert persona.greeting("en-US") == "Hello"
    assert persona.greeting("ja") == "您好"


def test_every_sentence_can_be_said_in_any_language(write_persona):
    persona = load_persona(write_persona())
    assert all(persona.sentence(kind, "xx") for kind in SENTENCES)


def test_a_language_counts_only_if_everything_is_there_in_it(write_persona):
    assert load_persona(write_persona()).languages == ("zh",)
    chinese_only = ("handoff", "off_hours", "unknown", "fresh", "refusal")
    english = [(f"{kind}: {{", f"{kind}: {{en: x, ") for kind in chinese_only]
    assert load_persona(write_persona(change=english)).languages == ("zh", "en")


def test_the_version_follows_the_content_and_not_the_layout(write_persona):
    before = load_persona(write_persona()).version
    assert re.fullmatch("[0-9a-f]{8}", before)
    comments = [("# a comment for administrators", "# another\n\n"), ("polite", "'polite'  # so")]
    assert load_persona(write_persona(change=comments)).version == before
    assert load_persona(write_persona(change=[("tone: polite", "tone: polite!")])).version != before


def test_a_default_written_out_is_the_same_version(write_persona):
    spelled = [("channels:", "memory: {idle_hours: 24}\nchannels:")]
    assert (
        load_persona(write_persona(change=spelled)).version == load_persona(write_persona()).version
    )


def test_all_problems_of_a_file_come_at_once_in_the_order_of_its_lines(write_persona):
    path = write_persona(
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
def test_a_problem_says_what_would_be_right(write_persona, more, line):
    path = write_persona(change=[("channels:", f"{more}\nchannels:")])
    assert complaints(load_persona, path) == [f"{path}:22: {line}"]


def test_the_fallback_language_may_be_another_one(write_persona):
    path = write_persona(change=[("fallback: zh", "fallback: en")])
    lines = complaints(load_persona, path)
    assert len(lines) == 5
    assert lines[0] == (
        f'{path}:15: sentences.refusal: should also be there in the fallback language, "en"'
    )


def test_broken_yaml_is_a_problem_of_the_persona(write_persona):
    path = write_persona(change=[("tone: polite", "tone: 'polite")])
    assert complaints(load_persona, path) == [
        f"{path}:7:7: a quotation mark is opened here and never closed"
    ]


def test_a_group_with_nothing_in_it_means_its_defaults(write_persona):
    path = write_persona(change=[("channels:", "memory:\n  # idle_hours: 48\nchannels:")])
    assert load_persona(path).card.memory.idle_hours == 24


@pytest.mark.parametrize("stem", ["XiaoQ", "a b", "小q", "x" * 41])
def test_a_file_needs_a_plain_name(write_persona, stem):
    path = write_persona(stem)
    assert complaints(load_persona, path) == [
        f"{path}: the name of the file should consist of at most 40 small letters a-z, digits and "
        "hyphens, such as xiaoq.yaml"
    ]
