import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.knowledge.documents import Passage
from core.knowledge.index import Match
from core.knowledge.quote import LEADS, excerpt, quote

TABLE = """\
请先拔下插头。

| 代码 | 处理 |
| --- | --- |
| E1 | 1. 取下壶体，冷却 10 分钟。2. 加水到 0.5 升以上，再放回底座。 |
| E2 | 1. 拔下插头 10 分钟后重试。2. 仍显示 E2，请报修。 |
| E3 | 1. 检查底座是否有水，擦干并晾 30 分钟。2. 仍显示，请报修。 |
"""


def passage(text: str, title: str = "说明书", questions: tuple[str, ...] = ()) -> Passage:
    return Passage(text, title, "shop/manual.md", "zh", questions=questions)


def match(found: Passage, question: str = "E3", score: float = 1.0) -> Match:
    return Match(found, score, sure=False, good=True, question=question)


def test_a_short_passage_stays_whole():
    assert excerpt(passage("一句话。"), "什么", 100) == "一句话。"


def test_the_sentences_that_share_most_with_the_question_are_kept():
    text = "外壳用软布擦拭。" * 20 + "保温最长十二小时。" + "滤网用软刷清洗。" * 20
    shown = excerpt(passage(text), "保温最长几个小时", 60)
    assert "保温最长十二小时。" in shown
    assert len(shown) <= 60
    assert shown.startswith("…")
    assert shown.endswith("。…")


def test_an_english_passage_is_cut_between_sentences():
    text = (
        "Wipe it with a cloth. " * 20 + "It keeps warm for 12 hours at 0.5 l. " + "Rinse it. " * 30
    )
    shown = excerpt(passage(text), "how long does it keep warm", 80)
    assert "It keeps warm for 12 hours at 0.5 l." in shown
    assert shown.strip("…").strip()[0].isupper()


def test_a_row_of_a_table_comes_with_the_head_of_the_table():
    shown = excerpt(passage(TABLE), "显示 E3 怎么办", 100)
    assert shown.splitlines()[:2] == ["| 代码 | 处理 |", "| --- | --- |"]
    assert "| E3 | 1. 检查底座" in shown
    assert "E1" not in shown


def test_a_sentence_that_is_too_long_ends_behind_a_clause():
    text = "这是第一个分句，" + "这是很长的另一个分句没有尽头" * 10
    assert excerpt(passage(text), "分句", 40) == "这是第一个分句…"


def test_passages_are_quoted_under_their_titles():
    answer = quote(
        [match(passage("甲" * 50 + "。", "一")), match(passage("乙。", "二"))], 300, "zh"
    )
    assert answer == f"{LEADS['zh']}\n\n**一**\n{'甲' * 50}。\n\n**二**\n乙。"


def test_an_answer_of_a_faq_stands_whole_if_it_fits():
    text = "第一句。" * 55
    faq = passage(text, "退货", ("怎么退货",))
    answer = quote([match(faq), match(passage("其他。" * 30))], 300, "zh")
    assert text in answer


def test_a_document_leaves_room_for_the_next_passage():
    answer = quote(
        [match(passage("第一句。" * 200, "一")), match(passage("乙。" * 200, "二"))], 300, "zh"
    )
    assert "**一**" in answer
    assert "**二**" in answer


def test_a_passage_far_behind_the_best_is_not_quoted():
    answer = quote([match(passage("甲。")), match(passage("乙。", "二"), score=0.3)], 300, "zh")
    assert "乙" not in answer


def test_nothing_found_is_nothing_said():
    assert quote([], 300, "zh") == ""


def test_a_language_without_a_lead_begins_with_the_passage():
    assert quote([match(passage("甲。"))], 300, "fr") == "**说明书**\n甲。"


@pytest.mark.parametrize("title", ["短", "很长的标题" * 60])
@given(
    text=st.text(alphabet="甲乙。！?. \n|-:a#*，", min_size=1, max_size=400),
    limit=st.integers(min_value=80, max_value=300),
)
def test_a_quotation_never_exceeds_its_limit(title, text, limit):
    matches = [match(passage(text, title), "甲a"), match(passage(text[::-1], "二"), "甲a")]
    assert len(quote(matches, limit, "zh")) <= limit
    assert len(excerpt(passage(text), "甲a", limit)) <= limit
