from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from config.yaml import MAX_BYTES, load_yaml, parse_yaml, position

FILE = Path("a.yaml")

TEXT = """\
# a comment

name: 小Q
hours:

  open: 09:00   # a comment
  days: [mon,
    tue]
greeting:
  zh: |
    您好
    再见
  en: hello
list:
  - one
  -
    key: value
"""


def complaint(text):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, FILE)
    return str(caught.value)


def test_values_come_with_their_lines():
    data = parse_yaml(TEXT, FILE)
    assert data["list"] == ["one", {"key": "value"}]
    lines = {
        ("name",): 3,
        ("hours",): 4,
        ("hours", "open"): 6,
        ("hours", "days", 1): 8,
        ("greeting", "zh"): 10,
        ("greeting", "en"): 13,
        ("list", 0): 15,
        ("list", 1, "key"): 17,
    }
    assert {path: position(data, path) for path in lines} == lines


def test_the_place_of_what_is_missing_is_the_group_that_lacks_it():
    data = parse_yaml(TEXT, FILE)
    assert position(data, ("hours", "close")) == 4
    assert position(data, ("greeting", "zh", "x")) == 10
    assert position(data, ("nothing", 1)) == 3
    assert position(data, ()) == 3


def test_values_are_what_they_look_like():
    text = """\
time: 09:00
date: 2024-01-01
norway: no
answer: yes
code: "007"
octal: 0o17
real: 1e3
big: 1_000
true: true
nothing:
tilde: ~
404: found
huge: 1"""
    assert parse_yaml(text + "0" * 5000, FILE) == {
        "time": "09:00",
        "date": "2024-01-01",
        "norway": "no",
        "answer": "yes",
        "code": "007",
        "octal": 15,
        "real": 1000.0,
        "big": 1000,
        "true": True,
        "nothing": None,
        "tilde": None,
        "404": "found",
        "huge": "1" + "0" * 5000,
    }


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n"])
def test_a_file_with_nothing_but_comments_is_an_empty_group(text):
    assert parse_yaml(text, FILE) == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n\tb: 2\n", "2:1: a tab stands here; indent with spaces"),
        ('a: 1\nb: "c\nd: 1\n', "2:4: a quotation mark is opened here and never closed"),
        ("a: *b*\n", "1:4: a text that begins with * should stand in quotation marks"),
        ("a: &\n", "1:5: a text that begins with & should stand in quotation marks"),
        ("a: !你好\n", "1:5: a text that begins with ! should stand in quotation marks"),
        ("a: @b\n", "1:4: a text that begins with this character should stand in quotation marks"),
        ('a: "C:\\d"\n', "1:8: a backslash in double quotation marks should be written twice"),
        (
            "a: [1,\nb: 2\n",
            "1:4: a [ or { is opened here and not closed, or a comma is missing in it",
        ),
        ("a: 1\nb\nc: 2\n", '2:1: a ": " is missing after a name, here or on the line before'),
        ("a: 1\n---\nb: 1\n", "2:1: a second document begins here; remove the line of hyphens"),
        ("a: - b\n", '1:4: a list entry ("- ") should begin on a line of its own'),
        (
            "a:\n    b: 1\n  c: 1\n",
            "3:3: the text or the indentation does not fit the lines above",
        ),
        (
            "a: b: c\n",
            '1:5: a second ": " stands in this line, or the line is indented too far; put a text '
            "with a colon in quotation marks",
        ),
        (
            "a: >90%\n",
            "1:6: nothing else should stand in the line after | or >; a text that begins with one "
            "of them should stand in quotation marks",
        ),
        (
            "%FOO\na: 1\n",
            "2:1: cannot be read as YAML; check quotation marks, colons and indentation",
        ),
    ],
)
def test_broken_yaml_is_explained_with_line_and_column(text, line):
    assert complaint(text) == f"a.yaml:{line}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name：小Q\n", 1),
        ("a: 1\nname：小Q\nb: 2\n", 2),
    ],
)
def test_a_full_width_colon_is_recognised(text, line):
    assert complaint(text).startswith(f"a.yaml:{line}")
    assert "：" in complaint(text)


def test_a_full_width_colon_inside_a_text_is_not_blamed_for_something_else():
    assert "never closed" in complaint('a: "您好：\n')


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", '3: "a" already stands on line 1; keep one of the two'),
        ("a: {b: 1, b: 2}\n", '1: "b" already stands on line 1; keep one of the two'),
        ("- a\n", '1: the file should consist of lines "name: value"'),
        ("just text\n", '1: the file should consist of lines "name: value"'),
        ("a: &b 1\n", "1: a text that begins with & should stand in quotation marks"),
        ("a: &b 1\nc: [&b 1]\n", "1: a text that begins with & should stand in quotation marks"),
        ("a: !b 1\n", "1: a text that begins with ! should stand in quotation marks"),
        (": 1\n", "1: a name is missing before the colon"),
        ("{a: 1}: 1\n", "1: a name is missing before the colon"),
        ("<<: {a: 1}\n", "1: << is not understood; write the values out"),
        ("a: b\x01\n", "1: an invisible control character (U+0001) stands here; delete it"),
        ('a: "\\ud800"\n', r"1: half a character (\ud800 to \udfff) stands here; delete it"),
    ],
)
def test_what_yaml_allows_and_people_do_not_mean_is_refused(text, line):
    assert complaint(text).split("\n")[0] == f"a.yaml:{line}"


def test_all_such_mistakes_are_said_at_once():
    assert complaint("a: 1\na: 2\nb: !x 1\n").count("\n") == 1


def test_a_reference_bomb_is_refused_at_once():
    text = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
    )
    assert "&" in complaint(text)


@pytest.mark.parametrize("depth", [30, 200, 100_000])
def test_groups_too_deep_inside_each_other_are_refused(depth):
    assert "deep" in complaint("a: " + "[" * depth + "]" * depth)


def test_a_file_is_read_with_the_mark_that_windows_puts_in_front(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\r\nother: y\r\n")
    data = load_yaml(path)
    assert data == {"name": "x", "other": "y"}
    assert position(data, ("other",)) == 2


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes("a: 1\nname: 青禾\n".encode("gbk"))
    with pytest.raises(
        ConfigError, match=r'a\.yaml:2: is not UTF-8; save the file again as "UTF-8"'
    ):
        load_yaml(path)


def test_a_file_over_one_mebibyte_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert load_yaml(path) == {}
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="is larger than 1 MiB"):
        load_yaml(path)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_yaml(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match="is no file"):
        load_yaml(tmp_path)


def lines_about(text):
    """The complaints about a text; anything but a ConfigError breaks the test."""
    try:
        parse_yaml(text, FILE)
    except ConfigError as error:
        return str(error).split("\n")
    return []


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_at_all_breaks_the_reader(text):
    assert all(line.startswith("a.yaml:") for line in lines_about(text))


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(alphabet="ab:- \n#|>{}[],\"'*&!%@\\\t：", max_size=30))
def test_no_yaml_like_text_breaks_the_reader(text):
    assert all(line.startswith("a.yaml:") for line in lines_about(text))


SAMPLE = Path(__file__).parents[2] / "config" / "personas"
SPOILERS = [
    ":",
    ": ",
    "- ",
    "'",
    '"',
    "&a ",
    "*a",
    "!x ",
    "#",
    "|",
    "{",
    "[",
    "]",
    "}",
    ",",
    "\n",
    "：",
]


@settings(deadline=None)  # a busy machine is no failure
@given(st.randoms(use_true_random=False))
def test_a_text_means_the_same_to_the_fast_parser_as_to_the_exact_one(dice):
    text = dice.choice(sorted(SAMPLE.glob("*.yaml"))).read_text("utf-8")
    lines = text.splitlines(keepends=True)
    start = dice.randrange(len(lines))
    text = "".join(lines[start : start + 25])
    place = dice.randrange(len(text) + 1)
    text = text[:place] + dice.choice(SPOILERS) + text[place + dice.randrange(3) :]
    exactly = "#\t\n"  # a tab is left to the exact parser

    assert lines_about(text) == [
        f"a.yaml:{int(line) - 1}:{rest}"
        for _, line, rest in (said.split(":", 2) for said in lines_about(exactly + text))
    ]
    if not lines_about(text):
        assert parse_yaml(text, FILE) == parse_yaml(exactly + text, FILE)
