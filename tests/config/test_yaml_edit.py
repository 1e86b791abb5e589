from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from config.yaml import parse_yaml
from config.yaml_edit import replace_value

FILE = Path("a.yaml")

TEXT = """\
# top
name: 小Q   # seen by customers
quoted: "old"  # double
single: 'it''s old'
block: |   # head
  line one
  line two

# before folded
folded: >-
  a long
  line
# behind folded
channels:   # where
  # the page
  - web   # eol
  - api   # the interface
  # tail of the list

# before flow
flow: [a, b]  # flow
map: {x: 1, y: 2}  # map
group:
  one: 1  # one

  two: 2  # two
  # tail of the group
empty:   # nothing yet
bare:
flush:
- a
- b
last: end  # of file"""


def lines_of(text):
    return text.split("\n")


def changed(key_path, value, text=TEXT):
    """The lines that went and the lines that came."""
    outcome = replace_value(text, key_path, value, FILE)
    before, after = lines_of(text), lines_of(outcome)
    head = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return before[head : len(before) - tail], after[head : len(after) - tail]


@pytest.mark.parametrize(
    ("key_path", "value", "went", "came"),
    [
        (
            ("name",),
            "小维",
            ["name: 小Q   # seen by customers"],
            ["name: 小维   # seen by customers"],
        ),
        (
            ("name",),
            "a: b",
            ["name: 小Q   # seen by customers"],
            ['name: "a: b"   # seen by customers'],
        ),
        (("name",), "no # note", None, ['name: "no # note"   # seen by customers']),
        (("name",), "123", None, ['name: "123"   # seen by customers']),
        (("name",), 'say "hi"', None, ['name: say "hi"   # seen by customers']),
        (("name",), "a\nb", None, None),
        (("quoted",), 'say "hi"', None, ['quoted: "say \\"hi\\""  # double']),
        (("single",), "it's new", None, ["single: 'it''s new'"]),
        (("block",), "one\n\n二", ["  line one", "  line two"], ["  one", "", "  二"]),
        (("folded",), "a\nb", ["  a long", "  line"], ["  a", "", "  b"]),
        (("channels", 0), "page", ["  - web   # eol"], ["  - page   # eol"]),
        (("channels",), ["web", "api", "x:y"], [], ["  - x:y"]),
        (("channels",), ["new", "api"], ["  - web   # eol"], ["  - new"]),
        (("channels",), ["api"], None, None),
        (("flow",), ["c"], ["flow: [a, b]  # flow"], ['flow: ["c"]  # flow']),
        (("flow", 1), "c, d", None, ['flow: [a, "c, d"]  # flow']),
        (("map", "y"), 3, None, ["map: {x: 1, y: 3}  # map"]),
        (("map", "z"), "w", None, ["map: {x: 1, y: 2, z: w}  # map"]),
        (("group", "two"), 2.5, ["  two: 2  # two"], ["  two: 2.5  # two"]),
        (("group", "three"), True, [], ["  three: true"]),
        (("group", "deep", "er"), 1, [], ['  deep: {"er": 1}']),
        (("empty",), "x", ["empty:   # nothing yet"], ["empty: x   # nothing yet"]),
        (("bare", "x"), 1, ["bare:"], ['bare: {"x": 1}']),
        (("flush",), [], ["flush:", "- a", "- b"], ["flush: []"]),
        (("flush",), ["b", "a"], None, None),
        (("last",), None, ["last: end  # of file"], ["last: null  # of file"]),
        (("new",), "x", [], ["new: x"]),
        (("new", "er"), {"a": ["b"]}, [], ['new: {"er": {"a": ["b"]}}']),
    ],
)
def test_only_the_lines_of_the_value_change(key_path, value, went, came):
    lines = changed(key_path, value)
    assert went is None or lines[0] == went
    assert came is None or lines[1] == came


COMMENTS = [line[line.index("#") :] for line in TEXT.split("\n") if "#" in line]


@pytest.mark.parametrize("name", ["name", "quoted", "single", "block", "folded", "flow", "empty"])
@pytest.mark.parametrize("value", ["short", "two\nlines", "a: b # c"])
def test_no_comment_is_lost_whatever_is_changed(name, value):
    outcome = replace_value(TEXT, (name,), value, FILE)
    assert [comment for comment in COMMENTS if comment not in outcome] == []


@pytest.mark.parametrize("name", ["channels", "flush", "flow"])
@pytest.mark.parametrize("value", [["web"], ["api", "x"], ["b", "a", "c"], []])
def test_no_comment_behind_a_list_is_lost(name, value):
    outcome = replace_value(TEXT, (name,), value, FILE)
    own = ["# the page", "# eol", "# the interface"] if name == "channels" else []
    assert [comment for comment in COMMENTS if comment not in outcome + "".join(own)] == []


def test_an_entry_that_stays_in_a_list_keeps_its_comment():
    outcome = replace_value(TEXT, ("channels",), ["slack", "api"], FILE)
    assert "  - slack\n  - api   # the interface\n  # tail of the list\n" in outcome


def test_the_line_breaks_of_windows_stay():
    text = TEXT.replace("\n", "\r\n")
    for key_path, value in [(("block",), "a\nb"), (("channels",), ["x", "api"]), (("new",), 1)]:
        outcome = replace_value(text, key_path, value, FILE)
        assert outcome.count("\r\n") == outcome.count("\n")
        assert parse_yaml(outcome, FILE)[key_path[0]] in (value, f"{value}\n")


@pytest.mark.parametrize(
    "key_path", [(), ("name", "x"), ("channels", 9), ("channels", "x"), ("flow", -3)]
)
def test_a_place_that_does_not_exist_is_refused(key_path):
    with pytest.raises(ConfigError, match=r"has nothing at|no place is named"):
        replace_value(TEXT, key_path, "x", FILE)


def test_broken_text_is_refused_as_such():
    with pytest.raises(ConfigError, match=r"a\.yaml:1:4: a quotation mark"):
        replace_value('a: "', ("a",), "x", FILE)


def test_what_yaml_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match="cannot be changed by a program"):
        replace_value(TEXT, ("name",), "a\x7fb", FILE)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.sampled_from([("name",), ("quoted",), ("single",), ("block",), ("folded",), ("flow", 0)]),
    st.text(alphabet=st.sampled_from("ab \n:#-'\"\\[]{},&*!|>%@`小：?"), max_size=12),
)
def test_any_text_is_read_back_as_it_was_given(key_path, value):
    outcome = parse_yaml(replace_value(TEXT, key_path, value, FILE), FILE)
    for step in key_path:
        outcome = outcome[step]
    assert outcome.rstrip("\n") == value.rstrip("\n")
