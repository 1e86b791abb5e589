import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.client.sse import EventParser, EventTooLongError

LINE_ENDS = ["\n", "\r\n", "\r"]
LINES = st.one_of(
    st.sampled_from(["", "", "data", "data:", "data: 你好", "data:{}", ": keep-alive", "event: x"]),
    st.text(st.characters(exclude_characters="\r\n\ufeff", exclude_categories=["Cs"])).map(
        lambda text: f"data: {text}"
    ),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from(LINE_ENDS)).map("".join)).map("".join)


def whole(stream: str) -> list[str]:
    """Read a whole stream by the letter of the standard."""
    events, data = [], []
    for line in re.split("\r\n|\n|\r", stream.removeprefix("\ufeff"))[:-1]:
        name, _, value = line.partition(":")
        if name == "data" and line:
            data.append(value.removeprefix(" "))
        elif not line and data:
            events.append("\n".join(data))
            data = []
    return events


def parse(*pieces: bytes) -> list[str]:
    parser = EventParser()
    return [event.decode() for piece in pieces for event in parser.feed(piece)]


@given(STREAMS, st.booleans(), st.lists(st.integers(min_value=0), max_size=40))
def test_a_stream_cut_anywhere_reads_as_the_whole(
    stream: str, marked: bool, cuts: list[int]
) -> None:
    stream = "\ufeff" * marked + stream
    data = stream.encode()
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert parse(*pieces) == whole(stream)


@given(STREAMS)
def test_a_stream_byte_by_byte_reads_as_the_whole(stream: str) -> None:
    assert parse(*(bytes([byte]) for byte in stream.encode())) == whole(stream)


@given(st.lists(st.binary()))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    parser = EventParser()
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def test_lines_of_data_are_joined() -> None:
    assert parse(b"data: a\ndata:b\ndata:  c\n\n") == ["a\nb\n c"]


def test_an_event_comes_with_the_carriage_return_that_ends_it() -> None:
    assert parse(b"data: a\r\r") == ["a"]
    assert parse(b"data: a\r\n\r", b"\ndata: b\r\n\r\n") == ["a", "b"]


def test_a_forgotten_blank_line_at_the_end_is_forgiven() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\n\ndata: b") == [b"a"]
    assert parser.close() == [b"b"]
    assert parser.close() == []


@given(st.lists(LINES, min_size=1))
def test_events_of_one_line_that_come_together_read_as_alone(lines: list[str]) -> None:
    frames = [f"{line}\n\n".encode() for line in lines]
    assert parse(b"".join(frames)) == parse(*frames) == whole("\n\n".join([*lines, ""]))


@pytest.mark.parametrize("pieces", [[b"data: 123456789"], [b"data: 12345\n", b"data: 6789\n"]])
def test_an_endless_event_is_given_up(pieces: list[bytes]) -> None:
    parser = EventParser(limit=8)
    *begin, end = pieces
    assert [parser.feed(piece) for piece in begin] == [[]] * len(begin)
    with pytest.raises(EventTooLongError):
        parser.feed(end)


def test_the_limit_is_for_one_event() -> None:
    parser = EventParser(limit=8)
    assert parser.feed(b"data: 1234\n\n" * 100) == [b"1234"] * 100
