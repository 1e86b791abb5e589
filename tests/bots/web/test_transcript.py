"""A conversation as a file."""

from bots.web.transcript import as_json, as_markdown, exchanges

ASKED = {"type": "question", "id": "1", "text": "a\n# b", "at": 0}
DONE = {"type": "done", "reply": "1", "text": "**c**", "outcome": "answered", "at": 60}
SOURCES = {"sources": [{"title": "Returns", "path": "faq.yaml"}]}


def test_what_a_customer_wrote_is_quoted_and_the_answer_stands_with_its_sources():
    said = exchanges([ASKED, {"type": "start", "reply": "1"}, DONE | SOURCES])
    assert as_markdown("小Q", "顾客", said) == (
        "# 小Q\n\n**顾客** · 1970-01-01 00:00 UTC\n\n> a\n> # b\n\n"
        "**小Q** · 1970-01-01 00:01 UTC\n\n**c**\n\n- Returns\n"
    )


def test_a_question_without_an_answer_is_exported_too():
    assert as_markdown("Q", "C", exchanges([ASKED])).endswith("> a\n> # b\n")
    assert b'"answer": ""' in as_json("Q", exchanges([ASKED]))


def test_what_was_asked_again_replaces_what_was_answered_first():
    again = ASKED | {"id": "2", "retries": "1"}
    second = DONE | SOURCES | {"reply": "2", "text": "better"}
    (only,) = exchanges([ASKED, DONE | SOURCES, again, second])
    assert (only.id, only.answer) == ("2", "better")


def test_answers_whose_question_was_trimmed_away_are_left_out():
    assert exchanges([DONE | SOURCES, {"type": "vote", "reply": "9", "vote": "up"}]) == []
