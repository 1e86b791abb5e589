import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.model import DONE, chunk

from inference.client.chat import ChatTurn, Finish, Prompt
from inference.client.completion import MAX_ANSWER_BYTES, AnswerReader, BadAnswerError, request_body

PROMPT = Prompt((ChatTurn("system", "你是小Q"), ChatTurn("user", "你好")), "s", 64, 0.5, 0.9)


def read(*pieces: bytes) -> tuple[str, Finish]:
    reader = AnswerReader(streamed=True)
    text = "".join([reader.feed(piece) for piece in pieces])
    text += reader.close()
    return text, reader.finish()


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def test_a_prompt_becomes_a_streamed_request() -> None:
    assert json.loads(request_body("qwen", PROMPT, optional_fields=True)) == {
        "model": "qwen",
        "messages": [{"role": "system", "content": "你是小Q"}, {"role": "user", "content": "你好"}],
        "max_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_optional_fields_can_be_left_out() -> None:
    assert "stream_options" not in json.loads(request_body("m", PROMPT, optional_fields=False))


def test_half_a_character_can_be_asked() -> None:
    prompt = Prompt((ChatTurn("user", "a\ud83d"),), "s")
    body = json.loads(request_body("m", prompt, optional_fields=False))
    assert body["messages"] == [{"role": "user", "content": "a?"}]


def test_an_answer_is_read_with_its_usage() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": None}
    text, finish = read(
        chunk("", role="assistant"),
        chunk("你好") + chunk("！"),
        chunk(finish="stop"),
        chunk(usage=usage),
        DONE,
    )
    assert text == "你好！"
    assert finish == Finish("stop", 7, 2)


def test_a_stream_without_done_or_usage_is_whole() -> None:
    assert read(chunk("a"), chunk(finish="length")) == ("a", Finish("length"))


def test_a_stream_without_a_finish_reason_is_whole_with_done() -> None:
    assert read(chunk("a"), DONE) == ("a", Finish("stop"))


def test_text_in_the_last_chunk_counts() -> None:
    assert read(chunk("a"), chunk("b", finish="stop")) == ("ab", Finish("stop"))


def test_an_end_without_a_blank_line_is_read() -> None:
    assert read(chunk("a"), chunk("b", finish="stop").rstrip()) == ("ab", Finish("stop"))


def test_a_stream_that_just_stops_is_cut() -> None:
    with pytest.raises(BadAnswerError, match="cut"):
        read(chunk("a"))


def test_reasoning_and_unknown_fields_are_passed_over() -> None:
    reasoning = event(
        choices=[{"delta": {"reasoning_content": "hm", "content": None}, "x": 1}], y=[2]
    )
    assert read(reasoning, b"event: ping\n\n", b"data:\n\n", chunk("a"), DONE)[0] == "a"


def test_one_object_instead_of_a_stream_is_read() -> None:
    reader = AnswerReader(streamed=False)
    answer = {
        "choices": [{"message": {"content": "你好"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    data = json.dumps(answer).encode()
    assert reader.feed(data[:30]) == reader.feed(data[30:]) == ""
    assert reader.close() == "你好"
    assert reader.finish() == Finish("length", 3, 1)


def test_a_character_split_into_two_escapes_is_mended() -> None:
    pieces = [b'"\\ud83d"', b'"\\ude00"', b'"ok"', b'"\\ude00"']
    events = [b'data: {"choices":[{"delta":{"content":' + piece + b"}}]}\n\n" for piece in pieces]
    assert read(*events, DONE)[0] == "😀ok\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b"data: 7\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        event(choices=[1]),
        event(choices={"a": 1}),
        event(choices=[{"delta": "text"}]),
        event(choices=[{"delta": {}, "finish_reason": {"type": "stop"}}]),
        event(choices=[{"delta": {}, "finish_reason": "abort"}]),
        event(usage=[1]),
        b"data: " + b"x" * 2_000_000,
    ],
)
def test_what_is_no_answer_is_an_error(data: bytes) -> None:
    with pytest.raises(BadAnswerError) as caught:
        AnswerReader(streamed=True).feed(data)
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (event(error={"message": "too long", "code": 400}), 400),
        (event(error={"message": "boom", "code": "oom"}), None),
        (event(error="boom"), None),
        (event(object="error", code=503), 503),
    ],
)
def test_an_error_in_the_stream_has_its_status(data: bytes, status: int | None) -> None:
    with pytest.raises(BadAnswerError) as caught:
        AnswerReader(streamed=True).feed(data)
    assert caught.value.status == status


@pytest.mark.parametrize("streamed", [True, False])
def test_an_endless_answer_is_given_up(streamed: bool) -> None:
    reader = AnswerReader(streamed=streamed)
    piece = b": keep-alive\n" * 100_000
    for _ in range(MAX_ANSWER_BYTES // len(piece)):
        reader.feed(piece)
    with pytest.raises(BadAnswerError, match="too long"):
        reader.feed(piece)


SAYINGS = [
    "好",
    '"',
    "\\",
    '\n\n"content":"x"',
    "data: ",
    "",
    "\ud83d",
    "\ude00",
    "🙂",
    "]},",
    "\u0000",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SAYINGS), min_size=1, max_size=12), st.booleans(), st.data())
def test_an_answer_is_the_same_however_its_bytes_are_cut(
    sayings: list[str], escaped: bool, data: st.DataObject
) -> None:
    def frame(text: str, **more: Any) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": []}} | more
        body = json.dumps({"id": "1", "choices": [choice]}, ensure_ascii=escaped)
        return b"data: " + body.encode(errors="replace") + b"\n\n"

    frames = [frame(text) for text in [*sayings, "."]]
    whole = b"".join(frames) + frame("", finish_reason="stop")
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))
    pieces = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]
    assert read(*frames, frame("", finish_reason="stop")) == read(*pieces)
    plain = "".join([json.loads(each[6:])["choices"][0]["delta"]["content"] for each in frames])
    mended = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert read(*pieces)[0] == mended


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_in_one_huge_piece_is_read(streamed: bool) -> None:
    text = '\\"' * 120_000
    answer = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    reader = AnswerReader(streamed=streamed)
    data = f"data: {answer}\n\n" if streamed else answer
    assert reader.feed(data.encode()) + reader.close() == text


def test_bytes_that_are_no_text_are_marked() -> None:
    frames = [event(choices=[{"delta": {"content": text}}]) for text in ("a", "?", "b")]
    reader = AnswerReader(streamed=True)
    assert reader.feed(b"".join(frames).replace(b"?", b"\xff")) == "a\ufffdb"


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (b'"b"},"finish_reason":"abort"}]}\n\n', None),
        (b'5},"finish_reason":null}]}\n\n', ""),
        (b'null},"finish_reason":null}]}\n\n', ""),
        (
            b'"b","content":"c"},"finish_reason":null}]}\n\n',
            "c",
        ),
        (b'},"finish_reason":null}]}\n\n', None),
        (b'"b"},"finish_reason":null}]}\n\n: alive\n\n', "b"),
    ],
)
def test_what_only_looks_like_an_ordinary_event_is_read_as_a_whole(
    late: bytes, said: str | None
) -> None:
    reader = AnswerReader(streamed=True)
    before = b'data: {"choices":[{"delta":{"content":'
    ordinary = before + b'"a"},"finish_reason":null}]}\n\n'
    assert [reader.feed(ordinary), reader.feed(ordinary)] == ["a", "a"]
    if said is None:
        with pytest.raises(BadAnswerError):
            reader.feed(before + late)
    else:
        assert reader.feed(before + late) == said


def test_the_text_of_an_event_is_not_taken_for_that_of_its_log_probabilities() -> None:
    def frame(text: str, token: str) -> bytes:
        return event(choices=[{"delta": {"content": text}, "logprobs": {"content": token}}])

    reader = AnswerReader(streamed=True)
    assert [reader.feed(frame("a", "x")), reader.feed(frame("a", "y"))] == ["a", "a"]
