"""Commands and turns."""

from dataclasses import replace

import pytest

from core.messages import Address, Message
from core.turn import Command, command_of, first_turn


def said(*texts: str) -> list[Message]:
    address = Address("web", "main", "ann", "ann")
    return [Message(str(number), address, text, 0.0) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    "text", ["/new", "新对话", " 新对话。", "/NEW", "/new@shop_bot", "New chat", "重新开始！"]
)
def test_a_fresh_start_can_be_asked_for(text):
    assert command_of(text) is Command.FRESH


@pytest.mark.parametrize(
    "text",
    [
        "/human",
        "转人工",
        "我要转人工",
        "人工客服",
        "请帮我转接人工客服",
        "找真人",
        "human",
        "人工",
        "I want to talk to a human",
        "human agent please",
        "speak to a real person",
        "转人工！",
    ],
)
def test_a_person_can_be_asked_for(text):
    assert command_of(text) is Command.PERSON


@pytest.mark.parametrize(
    "text",
    [
        "怎么转人工？",
        "人工费多少钱",
        "新对话怎么开",
        "is the kettle made by a human",
        "",
        "找",
        "我要",
        "/newsletter",
        "请问",
        "a",
        "please",
        "person"[:4],
        "转",
        "帮我接一下",
    ],
)
def test_a_sentence_that_merely_mentions_one_is_a_question(text):
    assert command_of(text) is None


def test_messages_are_answered_together_up_to_the_next_command():
    turn = first_turn(said("你好", "怎么退货", "/new", "新问题"))
    assert turn.text == "你好\n怎么退货"
    assert turn.command is None
    rest = first_turn(said("/new", "新问题"))
    assert (len(rest.messages), rest.command) == (1, Command.FRESH)


def test_a_question_asked_again_stands_alone():
    first, second, third = said("一", "二", "三")
    again = replace(second, is_again=True)
    assert first_turn([first, again, third]).messages == (first,)
    assert first_turn([again, third]).messages == (again,)
    assert first_turn([again, third]).is_again
