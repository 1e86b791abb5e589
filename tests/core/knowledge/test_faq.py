from pathlib import Path

import pytest

from core.knowledge.documents import Passage
from core.knowledge.faq import parse_csv_faq, parse_yaml_faq

FILE = Path("knowledge/shop/faq.yaml")
TABLE = Path("knowledge/shop/faq.csv")


def from_yaml(text: str, path: str = "shop/faq.yaml"):
    return parse_yaml_faq(text, path, FILE)


def from_csv(text: str):
    return parse_csv_faq(text, "shop/faq.csv", TABLE)


def test_entries_take_line_and_language_from_the_head_unless_they_say_otherwise():
    text = """\
line: shop
language: zh
entries:
  - title: 退货
    questions: [怎么退货？, 退货流程]
    answer: |
      七天内可以退货。
  - question: How do I return it?
    language: en
    line: repairs
    answer: Within seven days.
"""
    assert from_yaml(text) == (
        [
            Passage(
                "七天内可以退货。",
                "退货",
                "shop/faq.yaml",
                "zh",
                "shop",
                ("怎么退货？", "退货流程"),
            ),
            Passage(
                "Within seven days.",
                "How do I return it?",
                "shop/faq.yaml",
                "en",
                "repairs",
                ("How do I return it?",),
            ),
        ],
        [],
    )


@pytest.mark.parametrize("comment", ["", "# a comment\n\n"])
def test_a_list_may_stand_alone(comment):
    passages, problems = from_yaml(f"{comment}- question: a?\n  answer: b\n")
    assert [(passage.questions, passage.text) for passage in passages] == [(("a?",), "b")]
    assert problems == []


def test_the_language_comes_from_the_file_name_or_from_the_script():
    text = "entries:\n- question: 怎么退货\n  answer: 七天内\n"
    assert from_yaml(text)[0][0].language == "zh"
    assert from_yaml("- question: a?\n  answer: b", "faq.en.yaml")[0][0].language == "en"


def test_a_wrong_entry_is_named_and_leaves_the_others():
    text = """\
line: shop
entries:
  - question: one?
    answer: 24
  - question: two?
    anwser: b
  - answer: nothing asked
  - just text
  - question: three?
    answer: c
    language: Chinese
  - question: four?
    answer: d
"""
    passages, problems = from_yaml(text)
    assert [passage.questions for passage in passages] == [("four?",)]
    assert problems == [
        f"{FILE}:4: entries, entry 1, answer: holds 24 without quotation marks, should be text",
        f"{FILE}:5: entries, entry 2, answer: is missing, should be text",
        f'{FILE}:6: entries, entry 2, anwser: is not a known name; did you mean "answer"?',
        f"{FILE}:7: entries, entry 3: has no question; add one under question or questions",
        f'{FILE}:8: entries, entry 4: holds "just text", should be a question and an answer',
        f"{FILE}:11: entries, entry 5, language: "
        'holds "Chinese", should be a language code such as zh or en',
    ]


def test_a_list_alone_counts_its_lines_rightly():
    _, problems = from_yaml("# head\n- question: one?\n  answer: 24\n")
    assert problems == [
        f"{FILE}:3: entries, entry 1, answer: holds 24 without quotation marks, should be text"
    ]
    _, (problem,) = from_yaml("- question: one?\n  answer: a: b\n")
    assert problem.startswith(f"{FILE}:2:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lines: shop\nentries: []", '1: lines: is not a known name; did you mean "line"?'),
        ("line: shop", "1: entries: holds nothing, should be a list of questions and answers"),
        ("entries: text", '1: entries: holds "text", should be a list of questions and answers'),
        ("entries: [", "1:"),
    ],
)
def test_a_wrong_head_is_named(text, said):
    passages, (problem,) = from_yaml(text)
    assert passages == []
    assert problem.startswith(f"{FILE}:{said}")


def test_a_table_gives_an_entry_a_row():
    text = (
        "question,answer,language,line,title\n"
        'a?|b?,"one, two",en,shop,T\n'
        "\n"
        '怎么退货,"第一行\n第二行",,,\n'
    )
    assert from_csv(text) == (
        [
            Passage("one, two", "T", "shop/faq.csv", "en", "shop", ("a?", "b?")),
            Passage("第一行\n第二行", "怎么退货", "shop/faq.csv", "zh", "", ("怎么退货",)),
        ],
        [],
    )


@pytest.mark.parametrize(
    "text",
    ["问题;答案;备注\na?;b;x\n", "Question\tAnswer\na?\tb\n", "answer,question\r\nb,a?\r\n"],
)
def test_a_table_may_be_separated_and_headed_in_other_ways(text):
    passages, problems = from_csv(text)
    assert [(passage.questions, passage.text) for passage in passages] == [(("a?",), "b")]
    assert problems == []


def test_a_wrong_row_is_named_by_its_line_and_leaves_the_others():
    text = 'question,answer\n"a\n?",one\nb?,\nc?,one,two\n,three\nd?,four\n'
    passages, problems = from_csv(text)
    assert [passage.text for passage in passages] == ["one", "four"]
    assert problems == [
        f"{TABLE}:4: answer: is missing, should be text",
        f"{TABLE}:5: has more cells than the first line; text with commas needs quotation marks",
        f"{TABLE}:6: has no question; add one under question or questions",
    ]


def test_a_table_without_the_needed_columns_is_named():
    assert from_csv("frage,antwort\na,b\n") == (
        [],
        [f"{TABLE}:1: the first line should name the columns: question,answer"],
    )
    assert from_csv("")[1]


def test_a_quotation_mark_that_is_never_closed_is_found_where_it_opens():
    passages, (problem,) = from_csv('question,answer\na?,b\nc?,"d\ne?,f\n')
    assert [passage.text for passage in passages] == ["b"]
    assert problem.startswith(f"{TABLE}:3: is no CSV")
