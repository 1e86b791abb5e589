from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.text.tool_calls import CallArguments, CallBegun, CallReader, Said, Text

ONE = '<tool_call>\n{"name": "order", "arguments": {"id": 7, "why": "a \\" } b"}}\n</tool_call>'
TWO = '<tool_call>\n{"name": "stock", "arguments": {"items": [{"n": 1}, {}]}}\n</tool_call>'
ODD = '<tool_call>{"arguments": {"a": "中"}, "name": "odd"}</tool_call>'
BROKEN = '<tool_call>\n{"name": "order", arguments: 1}\n</tool_call>'


def read(*pieces: str) -> list[Said]:
    """Read an answer in pieces; neighbouring texts are put together."""
    reader = CallReader()
    said = [part for piece in pieces for part in reader.feed(piece)] + reader.close()
    joined: list[Said] = []
    for part in said:
        match joined[-1:], part:
            case [Text(before)], Text(after):
                joined[-1] = Text(before + after)
            case [CallArguments(index, before)], CallArguments(number, after) if index == number:
                joined[-1] = CallArguments(index, before + after)
            case _:
                joined.append(part)
    return joined


def test_an_answer_without_calls_is_its_text() -> None:
    assert read("你好，", "小于号 < 和 <b>粗</b>\n") == [Text("你好，小于号 < 和 <b>粗</b>\n")]


def test_a_call_is_read() -> None:
    assert read(ONE) == [
        CallBegun(0, "order"),
        CallArguments(0, '{"id": 7, "why": "a \\" } b"}'),
    ]


def test_parallel_calls_after_a_text_are_read() -> None:
    assert read("我查一下。\n" + ONE + "\n" + TWO) == [
        Text("我查一下。"),
        CallBegun(0, "order"),
        CallArguments(0, '{"id": 7, "why": "a \\" } b"}'),
        CallBegun(1, "stock"),
        CallArguments(1, '{"items": [{"n": 1}, {}]}'),
    ]


def test_a_call_is_announced_before_its_arguments_are_whole() -> None:
    reader = CallReader()
    head = '<tool_call>\n{"name": "order", "arguments": {"id"'
    assert reader.feed(head) == [CallBegun(0, "order"), CallArguments(0, '{"id"')]
    assert reader.feed(": 7") == [CallArguments(0, ": 7")]


@pytest.mark.parametrize("size", range(1, len("\n<tool_call>")))
def test_half_a_tag_is_held_back(size: int) -> None:
    reader = CallReader()
    assert reader.feed("好" + "\n<tool_call>"[:size]) == [Text("好")]


def test_what_only_began_like_a_tag_is_text() -> None:
    assert read("a <tool", "_box>") == [Text("a <tool_box>")]
    assert read("a <tool") == [Text("a <tool")]


def test_a_call_in_another_order_is_read() -> None:
    assert read(ODD) == [CallBegun(0, "odd"), CallArguments(0, '{"a": "中"}')]


def test_arguments_written_as_a_text_are_taken_out_of_it() -> None:
    quoted = '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>'
    assert read(quoted) == [CallBegun(0, "f"), CallArguments(0, '{"a": 1}')]


def test_a_call_without_arguments_has_none() -> None:
    assert read('<tool_call>{"name": "f"}</tool_call>') == [
        CallBegun(0, "f"),
        CallArguments(0, "{}"),
    ]


@pytest.mark.parametrize(
    "broken", [BROKEN, "<tool_call>[]</tool_call>", '<tool_call>{"name": 3}</tool_call>']
)
def test_what_is_no_call_is_text(broken: str) -> None:
    reader = CallReader()
    assert reader.feed(broken + "好") == [Text(broken), Text("好")]
    assert reader.calls == 0


def test_a_brace_too_many_is_passed_over() -> None:
    """Qwen2.5 is known to close one brace too many."""
    assert read(TWO.replace("}}\n</", "}}}\n</")) == read(TWO)


def test_a_call_that_is_not_closed_is_a_call() -> None:
    assert read(TWO.removesuffix("\n</tool_call>")) == read(TWO)
    assert read(ODD.removesuffix("</tool_call>")) == read(ODD)
    assert read(TWO.removesuffix("</tool_call>") + TWO) == read(TWO + TWO)


def test_arguments_cut_in_the_middle_stay_cut() -> None:
    assert read(TWO[:50]) == [CallBegun(0, "stock"), CallArguments(0, '{"items')]


def test_a_call_cut_before_its_name_is_dropped() -> None:
    assert read("好\n<tool_call>\n{" + '"name": "ord') == [Text("好")]


PARTS = st.sampled_from(
    [ONE, TWO, ODD, BROKEN, "\n", " ", "好", "<tool_call>", "</tool_call>", "<", '{"a": "', "}"]
)


@given(st.lists(PARTS).map("".join), st.data())
def test_an_answer_reads_the_same_however_it_is_cut(answer: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(answer)))))
    pieces = [answer[start:end] for start, end in pairwise([0, *cuts, len(answer)])]
    assert read(*pieces) == read(answer)
