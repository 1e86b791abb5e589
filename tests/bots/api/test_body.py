"""What is read of a chat-completions body."""

import json

import pytest

from bots.api.body import parse_body
from bots.api.errors import ApiError

GOOD = {"model": "shop", "messages": [{"role": "user", "content": "怎么退货"}]}


def body(**changes) -> bytes:
    return json.dumps(GOOD | changes).encode()


def message(**changes) -> bytes:
    return body(messages=[{"role": "user", "content": "在吗"} | changes])


def told(*pairs: tuple[str, str]):
    return parse_body(body(messages=[{"role": role, "content": text} for role, text in pairs]))


def test_the_question_is_all_that_was_said_since_the_last_answer():
    read = told(
        ("system", "be kind"),
        ("user", "我叫小王"),
        ("assistant", "您好小王"),
        ("user", "订单晚了"),
        ("developer", "be quick"),
        ("user", "怎么办"),
    )
    assert read.question == "订单晚了\n怎么办"
    assert [(e.question, e.answer) for e in read.history.exchanges] == [("我叫小王", "您好小王")]
    assert read.instructions == "be kind\n\nbe quick"


def test_a_history_may_begin_with_a_greeting():
    read = told(("assistant", "您好"), ("user", "在吗"))
    assert [(e.question, e.answer) for e in read.history.exchanges] == [("", "您好")]
    assert read.question == "在吗"


def test_characters_nobody_sees_are_left_out():
    read = parse_body(message(content="退\x00货\x1b[2J\n吗"))
    assert read.question == "退货[2J\n吗"


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'"text"', None),
        (b"[]", None),
        (b"{}", "model"),
        (body(model=5), "model"),
        (body(model=""), "model"),
        (body(model="m" * 101), "model"),
        (body(messages=[]), "messages"),
        (body(messages="hello"), "messages"),
        (body(messages=[None]), "messages[0]"),
        (body(messages=GOOD["messages"] * 201), "messages"),
        (body(messages=[{"role": "assistant", "content": "x"}]), "messages"),
        (body(messages=[*GOOD["messages"], {"role": "system", "content": "x"}]), "messages"),
        (message(role="tool"), "messages[0].role"),
        (message(role=None), "messages[0].role"),
        (message(content=""), "messages"),
        (message(content=" \n\x00 "), "messages"),
        (message(content=[]), "messages"),
        (message(content=None), "messages[0].content"),
        (message(content={"text": "x"}), "messages[0].content"),
        (message(content=["x"]), "messages[0].content[0]"),
        (message(content=[{"type": "text"}]), "messages[0].content[0].text"),
        (
            message(content=[{"type": "image_url", "text": "", "image_url": {"url": "x"}}]),
            "messages[0].content[0].type",
        ),
        (body().replace(rb"\u600e", rb"\ud800"), None),
        (body(n=2), "n"),
        (body(user=""), "user"),
        (body(user="u" * 257), "user"),
        (body(user=5), "user"),
        (body(temperature=2.1), "temperature"),
        (body(temperature="warm"), "temperature"),
        (body(temperature=float("nan")), "temperature"),
        (body(top_p=0), "top_p"),
        (body(max_tokens=0), "max_tokens"),
        (body(max_completion_tokens=1.5), "max_completion_tokens"),
        (body(stream="maybe"), "stream"),
        (body(stream_options={"include_usage": 7}), "stream_options.include_usage"),
    ],
)
def test_what_cannot_be_read_is_named(raw, param):
    with pytest.raises(ApiError) as caught:
        parse_body(raw)
    error = caught.value
    assert (error.status, error.param) == (400, param)
    assert str(error.message).startswith(f"{param or 'body'}: ")
    assert len(str(error.message)) < 200
