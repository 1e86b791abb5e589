"""Bodies that no page sends."""

import pytest

from bots.web.bodies import BadBodyError, MessageBody, StopBody, VoteBody, parse

ID = "0123ABCD-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        "{" * 10_000,
        "[" * 10_000,
        "NaN",
        '{"id": 1, "text": "a"}',
        f'{{"id": "{ID}", "text": null}}',
        f'{{"id": "{ID}", "text": ["a"]}}',
        f'{{"id": "{ID}", "text": "\\ud800"}}',
        f'{{"id": "{ID}x", "text": "a"}}',
        f'{{"id": "{ID}\\n", "text": "a"}}',
        f'{{"id": "{ID}", "text": "a", "admin": true}}',
        f'{{"id": "{ID}", "text": "a", "files": ["../x"]}}',
        f'{{"id": "{ID}", "text": "a", "files": {["0" * 16] * 6}}}'.replace("'", '"'),
        f'{{"id": "{ID}", "text": "a", "retries": "newest"}}',
        f'{{"id": "{ID}", "text": "a", "sampling": {{"temperature": NaN}}}}',
        f'{{"id": "{ID}", "text": "a", "sampling": {{"temperature": 1e999}}}}',
        f'{{"id": "{ID}", "text": "a", "sampling": {{"max_tokens": true}}}}',
    ],
)
def test_what_is_no_message_is_refused(body):
    with pytest.raises(BadBodyError):
        parse(MessageBody, body.encode())


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(BadBodyError):
        parse(StopBody, b'{"reply": "\xff"}')


def test_an_id_is_the_same_in_small_and_in_capital_letters():
    assert parse(VoteBody, f'{{"reply": "{ID}", "vote": "up"}}'.encode()).reply == ID.lower()


def test_unseen_control_characters_are_taken_out_of_a_message():
    body = parse(MessageBody, f'{{"id": "{ID}", "text": "a\\u0000b\\nc"}}'.encode())
    assert body.text == "ab\nc"


@pytest.mark.parametrize("text", ["", "   ", "\\n", "\\u0007"])
def test_a_message_that_says_nothing_is_empty(text):
    assert parse(MessageBody, f'{{"id": "{ID}", "text": "{text}"}}'.encode()).is_empty
