from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from config.fields import Should, Values
from config.problems import nearest, one_line, parse, shown, spoken

Code = Annotated[str, Field(pattern="^[a-z]{2}$"), Should("two letters")]


class Door(Values):
    name: str
    key: SecretStr | None = None


class House(Values):
    floors: int = Field(default=1, ge=1)
    doors: tuple[Door, ...] = ()
    texts: dict[Code, str] = Field(default={})
    notes: tuple[Annotated[str, Field(max_length=5)], ...] = ()


def lines(given, **options):
    house, problems = parse(House, given, **options)
    assert house is None
    return [one_line(spoken(problem.path), problem.text) for problem in problems]


def test_good_values_become_a_model_without_problems():
    assert parse(House, {"floors": 2}) == (House(floors=2), [])


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"floors": 0}, "floors: holds 0, should be a whole number of at least 1"),
        ({"floors": None}, "floors: is empty, should be a whole number of at least 1"),
        ({"floors": ""}, "floors: is empty, should be a whole number of at least 1"),
        ({"floors": [1]}, "floors: holds a list, should be a whole number of at least 1"),
        ({"flors": 1}, 'flors: is not a known name; did you mean "floors"?'),
        ({"x": 1}, "x: is not a known name; known are floors, doors, texts, notes"),
        ({"doors": [{}]}, "doors, entry 1, name: is missing, should be text"),
        ({"texts": {"zz": 1}}, "texts.zz: holds 1 without quotation marks, should be text"),
        ({"texts": {"zzz": "a"}}, "texts.zzz: is named so, but the name should be two letters"),
        (
            {"notes": ["short", "too long"]},
            'notes, entry 2: holds "too long", should be text of at most 5 characters',
        ),
    ],
)
def test_every_kind_of_mistake_has_its_line(given, line):
    assert lines(given) == [line]


def test_several_mistakes_give_a_line_each():
    assert len(lines({"floors": 0, "flors": 1, "doors": [{}, {"name": 1}]})) == 4


def test_text_beside_secrets_is_not_shown():
    assert lines({"doors": [{"name": "a", "key": {"x": 1}}, {"name": ["b"]}, "c"]}) == [
        "doors, entry 1, key: holds a value that is not shown, should be text",
        "doors, entry 2, name: holds a list, should be text",
        "doors, entry 3: holds a value that is not shown, should be a group with the names "
        "name, key",
    ]


def test_an_unknown_name_beside_secrets_is_shown_only_if_it_is_a_slip_of_the_pen():
    assert lines({"doors": [{"name": "a", "kye": 1}, {"name": "a", "opensesame": 1}]}) == [
        'doors, entry 1, kye: is not a known name; did you mean "key"?',
        "doors, entry 2: has a name that is not known; known are name, key",
    ]


def test_a_hidden_name_still_has_its_exact_place():
    _, (problem,) = parse(House, {"doors": [{"name": "a", "opensesame": 1}]})
    assert problem.at == ("doors", 0, "opensesame")
    assert problem.path == ("doors", 0)


def test_nothing_is_shown_of_a_source_that_is_secret_as_a_whole():
    assert lines({"floors": "many"}, reveal=False) == [
        "floors: holds a value that is not shown, should be a whole number of at least 1"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("小Q", '"小Q"'),
        (True, "true"),
        (1.5, "1.5"),
        (None, "nothing"),
        ({"a": 1}, "names with values"),
        ("x" * 100, '"' + "x" * 59 + "…"),
        ("redis://:pw@host", "a value that is not shown"),
        ("https://host/?token=x", "a value that is not shown"),
        ("https://host/v1", '"https://host/v1"'),
        ("what? me@home", '"what? me@home"'),
    ],
)
def test_a_value_is_shown_in_a_few_words(value, text):
    assert shown(value) == text


def test_a_line_has_no_line_break_and_can_be_printed():
    assert one_line("a\nb", "", "c\u2028d\ud800") == "a b: c d\\ud800"


def test_the_nearest_name_is_suggested_only_if_it_is_near():
    assert nearest("prot", ["port", "host"]) == "port"
    assert nearest("zzzz", ["port", "host"]) is None
