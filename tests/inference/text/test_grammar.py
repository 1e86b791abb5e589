import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.jobs.job import Grammar
from inference.text.grammar import KEPT_GRAMMARS, SCHEMA_BYTES, Grammars, SchemaRefusedError
from inference.text.tokenizer import ChatTokenizer, Mark, Segment
from inference.text.tools import Tool, ToolCall, write_call

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = Tool("get_weather", "天气", PERSON)
STOCK = Tool("stock")


@pytest.fixture(scope="session")
def grammars(tokenizer: ChatTokenizer) -> Grammars:
    return Grammars(tokenizer)


def one_of(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


def allowed(grammar: Grammar, tokenizer: ChatTokenizer) -> set[int]:
    words = np.zeros(-(-tokenizer.vocabulary // 32), dtype=np.uint32)
    grammar.fill(words.data)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    return set(np.flatnonzero(bits).tolist())


def say(grammar: Grammar, tokenizer: ChatTokenizer, *segments: Segment) -> bool:
    """Say it token by token, as far as the grammar lets us."""
    for token in tokenizer.encode(*segments):
        if token not in allowed(grammar, tokenizer):
            return False
        assert grammar.accept(token)
    return True


def may_end(grammar: Grammar, tokenizer: ChatTokenizer) -> bool:
    return tokenizer.id_of(Mark.END) in allowed(grammar, tokenizer)


def test_any_object_is_allowed_where_an_object_is_asked_for(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    grammar = grammars.json_object()
    assert say(grammar, tokenizer, '{\n  "好": [1.5e3, null, {"a": "\\n"}]\n}')
    assert grammar.is_complete
    assert may_end(grammar, tokenizer)


@pytest.mark.parametrize("text", ["好", "[1]", '{"a": 1,}', "{} {}", '{"a": 01}', "{'a': 1}"])
def test_what_is_no_object_is_not(text: str, grammars: Grammars, tokenizer: ChatTokenizer) -> None:
    assert not say(grammars.json_object(), tokenizer, text)


def test_an_answer_cannot_end_in_the_middle(grammars: Grammars, tokenizer: ChatTokenizer) -> None:
    grammar = grammars.json_object()
    assert not may_end(grammar, tokenizer)
    assert say(grammar, tokenizer, '{"a": ')
    assert not may_end(grammar, tokenizer)
    assert not grammar.is_complete


def test_white_space_does_not_go_on_for_ever(grammars: Grammars, tokenizer: ChatTokenizer) -> None:
    grammar = grammars.json_object()
    assert say(grammar, tokenizer, "{\n")
    assert not any([say(grammar, tokenizer, " ") for _ in range(50)][25:])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('{"name": "小明", "age": 3}', True),
        ('{"name": "小明", "age": -3}', False),
        ('{"name": "小明"}', False),
        ('{"name": "小明", "age": 3, "more": 1}', False),
    ],
)
def test_a_schema_is_kept(
    text: str, fits: bool, grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    grammar = grammars.json_schema(PERSON)
    assert say(grammar, tokenizer, text) is fits


def test_a_token_that_is_not_allowed_is_not_accepted(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    grammar = grammars.json_object()
    [letter] = tokenizer.encode("x")
    assert not grammar.accept(letter)
    assert not may_end(grammar, tokenizer)
    assert not grammar.is_complete


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nope"}, "Invalid type: nope"),
        ({"not": {"type": "string"}}, "Unimplemented keys"),
        ({"type": "array", "uniqueItems": True}, "Unimplemented keys"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "integer", "minimum": 5, "maximum": 2}, "Unsatisfiable schema"),
        ({"$ref": "https://example.com/schema"}, "is not present"),
        ({"$ref": "#"}, "."),
        ({"enum": ["x" * SCHEMA_BYTES]}, "longer than 65536 bytes"),
        ({"allOf": [{"anyOf": [one_of(f"a{i}"), one_of(f"b{i}")]} for i in range(14)]}, "large"),
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused(
    schema: dict[str, Any], reason: str, grammars: Grammars
) -> None:
    with pytest.raises(SchemaRefusedError, match=reason) as refusal:
        grammars.json_schema(schema)
    assert "\n<state>" not in str(refusal.value)


def test_only_the_grammars_last_used_are_kept(grammars: Grammars) -> None:
    for number in range(2 * KEPT_GRAMMARS):
        grammars.json_schema({"const": number})
        grammars.json_object()
    assert len(grammars._kept) == KEPT_GRAMMARS
    kept = list(grammars._kept.values())
    grammars.json_object()
    assert list(grammars._kept.values()) == kept


def test_jobs_with_the_same_schema_do_not_know_each_other(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    one, other = grammars.json_schema(PERSON), grammars.json_schema(PERSON)
    assert say(one, tokenizer, '{"name": "a')
    assert say(other, tokenizer, '{"name": "b", "age": 1}')
    assert say(one, tokenizer, '", "age": 2}')


# llguidance allows the control character DEL only in its escaped form.
TEXTS = st.text(st.characters(exclude_characters="\x7f", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=30)
@given(value=st.dictionaries(TEXTS, VALUES, max_size=3), indent=st.sampled_from([None, 2]))
def test_every_object_that_python_writes_is_allowed(
    value: dict[str, Any], indent: int | None, grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    grammar = grammars.json_object()
    assert say(grammar, tokenizer, text)
    assert grammar.is_complete


# Calls of tools


def call(name: str, arguments: str) -> list[Segment]:
    return list(write_call(ToolCall(name, arguments)))


GOOD = call("get_weather", '{"name": "北京", "age": 3}')


def test_calls_are_required(grammars: Grammars, tokenizer: ChatTokenizer) -> None:
    grammar = grammars.tool_calls([WEATHER, STOCK], required=True)
    assert allowed(grammar, tokenizer) == {tokenizer.id_of(Mark.CALL)}
    assert say(grammar, tokenizer, *GOOD)
    assert may_end(grammar, tokenizer)
    assert say(grammar, tokenizer, "\n", *call("stock", '{"a": [1, 2]}'))
    assert may_end(grammar, tokenizer)


def test_one_call_is_enough_where_calls_are_not_parallel(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    grammar = grammars.tool_calls([WEATHER], required=True, parallel=False)
    assert say(grammar, tokenizer, *GOOD)
    assert grammar.is_complete


@pytest.mark.parametrize(
    "wrong",
    [call("order", "{}"), call("get_weather", "{}"), call("stock", "[]"), call("stock", '{"a"}')],
)
def test_a_wrong_call_cannot_be_said(
    wrong: list[Segment], grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    assert not say(grammars.tool_calls([WEATHER, STOCK], required=True), tokenizer, *wrong)
    assert not say(grammars.tool_calls([WEATHER, STOCK]), tokenizer, *wrong)


def test_a_text_may_come_instead_of_calls_or_before_them(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    grammar = grammars.tool_calls([WEATHER])
    assert may_end(grammar, tokenizer)
    assert say(grammar, tokenizer, "好，我查一下 <b> <tool")
    assert may_end(grammar, tokenizer)
    assert say(grammar, tokenizer, "\n", *GOOD)
    assert may_end(grammar, tokenizer)
    assert not say(grammar, tokenizer, "还有")


def test_a_text_cannot_spell_a_call_in_letters(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    """A customer who has the model repeat a call must not have it made."""
    grammar = grammars.tool_calls([WEATHER])
    assert not say(grammar, tokenizer, '好 <tool_call>\n{"name": "stock"}')


def test_parameters_that_cannot_be_kept_are_any_object(
    grammars: Grammars, tokenizer: ChatTokenizer
) -> None:
    for parameters in ({"type": "object", "not": {}}, {"type": "string"}, {}):
        odd = Tool("odd", None, parameters)
        assert say(grammars.tool_calls([odd]), tokenizer, *call("odd", '{"a": [1]}'))
