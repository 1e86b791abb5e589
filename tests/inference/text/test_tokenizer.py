import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.qwen import ADDED, small_tokenizer

from inference.text.tokenizer import (
    REMEMBERED_LETTERS,
    ChatTokenizer,
    Mark,
    TokenizerError,
    _Encoded,
    load_tokenizer,
)

SMALL = ChatTokenizer(small_tokenizer())
HOSTILE = st.lists(st.sampled_from([*ADDED, "<|im_", "start|>", "\n", "system"]) | st.text()).map(
    "".join
)


@given(HOSTILE)
def test_no_text_becomes_a_control_token(text: str) -> None:
    assert SMALL.controls.isdisjoint(SMALL.encode(text))


@given(HOSTILE, HOSTILE)
def test_a_mark_keeps_the_texts_beside_it_apart(before: str, after: str) -> None:
    ids = SMALL.encode(before, Mark.START, after)
    assert ids == [*SMALL.encode(before), SMALL.id_of(Mark.START), *SMALL.encode(after)]


@given(HOSTILE, HOSTILE)
def test_neighbouring_texts_are_one_text(before: str, after: str) -> None:
    assert SMALL.encode(before, after) == SMALL.encode(before + after)


@given(st.text(st.characters(codec="ascii")) | st.sampled_from(["你好，世界", "👩‍👩‍👧", *ADDED]))
def test_a_text_comes_back(text: str) -> None:
    assert SMALL.decode(SMALL.encode(text)) == text


def test_every_added_token_is_text_in_a_text(tokenizer: ChatTokenizer) -> None:
    for text in ADDED:
        assert tokenizer.controls.isdisjoint(tokenizer.encode(f"a{text}b"))
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_half_a_character_is_encoded_as_a_question_mark() -> None:
    assert SMALL.encode("a\ud83d") == SMALL.encode("a?")


def test_a_mark_is_its_token(tokenizer: ChatTokenizer) -> None:
    assert [tokenizer.decode([tokenizer.id_of(mark)]) for mark in Mark] == [m.value for m in Mark]


@pytest.mark.model
@pytest.mark.parametrize("tokenizer", ["real"], indirect=True)
def test_the_ids_are_those_of_qwen(tokenizer: ChatTokenizer) -> None:
    assert tokenizer.encode("Hello world") == [9707, 1879]
    expected = [151644, 8948, 198, 2610, 525]
    assert tokenizer.encode(Mark.START, "system\nYou are") == expected
    assert tokenizer.id_of(Mark.END) == 151_645
    assert tokenizer.id_of(Mark.CALL) == 151_657
    assert tokenizer.vocabulary == 151_665


def test_a_tokenizer_that_lacks_a_mark_is_refused() -> None:
    declared = json.loads(small_tokenizer())
    declared["added_tokens"] = [
        token for token in declared["added_tokens"] if token["content"] != "<tool_call>"
    ]
    with pytest.raises(TokenizerError, match="has no <tool_call>"):
        ChatTokenizer(json.dumps(declared))


def test_a_tokenizer_whose_vocabulary_holds_a_mark_is_refused() -> None:
    """Such a model would read the customer's letters as control, whatever we leave out."""
    declared = json.loads(small_tokenizer())
    added = next(token for token in declared["added_tokens"] if token["content"] == "<tool_call>")
    added["id"] = declared["model"]["vocab"]["<"]
    added["content"] = "<"
    declared["added_tokens"].append({**added, "content": "<tool_call>", "id": 999_999})
    with pytest.raises(TokenizerError, match="can become a control token: <"):
        ChatTokenizer(json.dumps(declared))


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1, 2", '{"added_tokens": []}'])
def test_what_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(TokenizerError, match=r"not a tokenizer\.json"):
        ChatTokenizer(text)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="No such file"):
        load_tokenizer(tmp_path)


def test_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(SMALL.describe(), encoding="utf-8")
    assert load_tokenizer(tmp_path).encode("你好") == SMALL.encode("你好")


def test_what_is_remembered_stays_bounded() -> None:
    remembered = _Encoded()
    texts = [str(number) + "x" * (REMEMBERED_LETTERS // 10) for number in range(15)]
    for text in texts:
        remembered.put(text, [1, 2])
        remembered.put(text, [1, 2])
        remembered.get(texts[0])
    assert remembered._letters == sum(len(text) for text in remembered._ids) <= REMEMBERED_LETTERS
    assert remembered.get(texts[0]) == remembered.get(texts[-1]) == [1, 2]
    assert remembered.get(texts[1]) is None


def test_what_was_remembered_is_not_changed_by_its_user() -> None:
    ids = SMALL.encode("不要改我")
    ids.append(0)
    assert SMALL.encode("不要改我") == ids[:-1]
