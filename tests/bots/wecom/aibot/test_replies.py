"""What the AI bot says, in WeCom's JSON."""

import pytest
from company import found_company

from bots.wecom.aibot.replies import BUTTON_CHARACTERS, stream, welcome
from bots.wecom.aibot.words import language_of
from config.persona import load_persona


@pytest.fixture
def persona(tmp_path):
    """A persona with these example questions."""

    def persona(*questions):
        path = found_company(tmp_path) / "personas/shop.yaml"
        listed = "".join(f"\n    - {question}" for question in questions)
        path.write_text(path.read_text() + f"suggestions:\n  zh:{listed}\n")
        return load_persona(path)

    return persona


def test_thumbs_are_asked_for_in_the_first_reply_alone():
    first = stream("s1", "", ends=False, feedback="f1")
    assert first == {
        "msgtype": "stream",
        "stream": {"id": "s1", "finish": False, "content": "", "feedback": {"id": "f1"}},
    }
    assert "feedback" not in stream("s1", "好", ends=True)["stream"]


def test_a_menu_shows_long_questions_short_and_says_them_whole_when_pressed(persona):
    long = "很长的问题" * 9 + "？"
    card = welcome(persona(long, "短的？"), "E1")["template_card"]
    buttons = [(button["text"], button["key"]) for button in card["button_list"]]
    assert buttons == [
        (long[: BUTTON_CHARACTERS - 1] + "…", f"ask/{long}"),
        ("短的？", "ask/短的？"),
    ]
    assert card["card_type"] == "button_interaction"


def test_two_greetings_are_two_cards(persona):
    shop = persona("怎么退货？")
    one, two = (welcome(shop, name)["template_card"]["task_id"] for name in ("E1", "E2"))
    assert one != two


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("怎么退货？", "zh"),
        ("How?", "en"),
        ("用 API 吗", "zh"),
        ("/help", "zh"),
        ("", "zh"),
        ("42", "zh"),
    ],
)
def test_its_own_words_are_in_the_language_of_the_question(text, language):
    assert language_of(text) == language
