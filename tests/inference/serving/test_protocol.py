"""Bodies that are refused, and how that is told."""

import json

import pytest

from inference.serving.errors import ApiError
from inference.serving.protocol import ChatBody, CompletionBody, TokenizeBody, parse

CHAT = {"messages": [{"role": "user", "content": "在吗"}]}
TOOL = {"type": "function", "function": {"name": "track"}}

REFUSED = [
    ({"messages": []}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0]"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content.type",
    ),
    ({"n": 2}, "n"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "warm"}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_k": -2}, "top_k"),
    ({"min_p": 1.1}, "min_p"),
    ({"repetition_penalty": 0}, "repetition_penalty"),
    ({"presence_penalty": 3}, "presence_penalty"),
    ({"frequency_penalty": -3}, "frequency_penalty"),
    ({"logit_bias": {"a": 1}}, "logit_bias.a.[key]"),
    ({"logit_bias": {"1": 101}}, "logit_bias.1"),
    ({"stop": ""}, "stop[0]"),
    ({"stop": ["x"] * 17}, "stop"),
    ({"seed": "x"}, "seed"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"response_format": {"type": "xml"}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.json_schema"),
    ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"tool_choice": "required"}, "tool_choice"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "tool_choice",
    ),
    ({"functions": [{"name": "x"}]}, "functions"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"modalities": ["text", "audio"]}, "modalities"),
]


@pytest.mark.parametrize(("change", "param"), REFUSED)
def test_a_chat_that_cannot_be_answered_names_the_field(change, param):
    with pytest.raises(ApiError) as caught:
        parse(ChatBody, json.dumps(CHAT | change).encode())
    assert (caught.value.status, caught.value.param) == (400, param)
    assert caught.value.message.startswith(param)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"best_of": 2}, "best_of"),
        ({"echo": True}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"logprobs": 6}, "logprobs"),
    ],
)
def test_a_completion_that_cannot_be_answered_names_the_field(change, param):
    with pytest.raises(ApiError) as caught:
        parse(CompletionBody, json.dumps({"prompt": "x"} | change).encode())
    assert caught.value.status == 400
    assert caught.value.param.startswith(param)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(ApiError) as caught:
        parse(ChatBody, body)
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [{}, {"prompt": "x", "messages": CHAT["messages"]}])
def test_tokens_are_counted_of_a_text_or_of_a_conversation(body):
    with pytest.raises(ApiError):
        parse(TokenizeBody, json.dumps(body).encode())


def test_nulls_and_fields_of_openais_own_are_passed_over():
    more = {"n": None, "stop": None, "store": True, "metadata": {"a": "b"}, "modalities": ["text"]}
    body = parse(ChatBody, json.dumps(CHAT | more | {"parallel_tool_calls": None}).encode())
    assert (body.n, body.stop, body.parallel_tool_calls) == (1, (), True)


def test_no_error_repeats_what_a_customer_wrote():
    secret = "13800138000"
    bodies = [
        {"messages": [{"role": "user", "content": {"text": secret}}]},
        {"messages": secret},
        CHAT | {"user": secret * 100},
        CHAT | {"stop": secret * 100},
    ]
    for body in bodies:
        with pytest.raises(ApiError) as caught:
            parse(ChatBody, json.dumps(body).encode())
        assert secret not in json.dumps(caught.value.to_json())
