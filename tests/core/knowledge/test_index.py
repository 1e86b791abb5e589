import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from core.knowledge.documents import Passage
from core.knowledge.index import build_index

PASSAGES = [
    Passage(
        "七天内可以退货。", "退货", "shop/faq.zh.yaml", "zh", "shop", ("怎么退货？", "退货流程")
    ),
    Passage(
        "Within seven days.", "Returns", "shop/faq.en.yaml", "en", "shop", ("How do I return it?",)
    ),
    Passage("下单时勾选发票。", "发票", "shop/faq.zh.yaml", "zh", "shop", ("怎么开发票？",)),
    Passage("E1 表示水太少。", "代码 E1", "shop/faq.zh.yaml", "zh", "shop", ("显示 E1 怎么办",)),
    Passage(
        "E1 means too little water.", "Code E1", "shop/faq.en.yaml", "en", "shop", ("What is E1?",)
    ),
    Passage(
        "加 1.0 升水，放入 20 克柠檬酸，静置 30 分钟后倒掉。",
        "热水壶说明书 › 除垢步骤",
        "shop/manual.md",
        "zh",
    ),
    Passage(
        "商用开水机每季度保养一次。", "保养", "repairs/faq.zh.yaml", "zh", "", ("多久保养一次",)
    ),
]


@pytest.fixture(scope="module")
def index():
    return build_index(PASSAGES)


def titles(matches):
    return [match.passage.title for match in matches]


def test_a_question_of_the_faq_gets_its_entry_surely(index):
    match, *_ = index.search("请问如何退货呀", language="zh")
    assert (match.passage.title, match.sure, match.good) == ("退货", True, True)
    assert match.question == "请问如何退货呀"


def test_the_customer_gets_the_entry_in_the_language_asked_in(index):
    assert titles(index.search("怎么退货", language="zh"))[0] == "退货"
    assert titles(index.search("how can I return it", language="en"))[0] == "Returns"
    assert titles(index.search("E1", language="en"))[0] == "Code E1"
    assert titles(index.search("E1", language="zh"))[0] == "代码 E1"


def test_an_entry_in_another_language_is_left_out_beside_a_good_one(index):
    matches = index.search("显示 E1 怎么办", language="zh")
    assert matches[0].sure
    assert {match.passage.language for match in matches} == {"zh"}


def test_what_exists_only_in_another_language_may_be_found_but_is_never_sure():
    index = build_index([PASSAGES[3], PASSAGES[1]])
    match, *_ = index.search("E1", language="en")
    assert (match.passage.title, match.sure) == ("代码 E1", False)


def test_a_passage_in_no_particular_language_is_for_everybody():
    index = build_index([Passage("QH-K17: 29", "prices", "p.csv", questions=("QH-K17 price",))])
    assert index.search("QH-K17 price", language="en")[0].sure
    assert index.search("QH-K17 price", language="fr")[0].sure


def test_a_region_of_a_language_is_that_language():
    index = build_index(PASSAGES)
    assert index.search("怎麼退貨", language="zh-TW")[0].sure


def test_a_document_is_found_but_never_sure(index):
    match, *_ = index.search("柠檬酸除垢步骤", language="zh")
    assert match.passage.title == "热水壶说明书 › 除垢步骤"
    assert (match.good, match.sure) == (True, False)


@pytest.mark.parametrize(
    "question", ["天气怎么样", "谁赢了世界杯", "写首诗", "who won the world cup", "write me a poem"]
)
def test_a_question_about_something_else_is_neither_sure_nor_good(index, question):
    for language in ("zh", "en", None):
        assert not any(match.sure or match.good for match in index.search(question, 4, language))


@pytest.mark.parametrize("question", ["", "   ", "😀", "？？？", "\0", "的"])
def test_a_question_without_words_finds_nothing_good(index, question):
    assert not any(match.good for match in index.search(question, language="zh"))


def test_a_good_passage_of_a_forbidden_folder_hides_nothing():
    words = "kettle display code E1 fill water wait cool lid base socket clean wipe press button"
    index = build_index(
        [
            Passage("E1 表示水太少。", "代码 E1", "shop/faq.yaml", "zh", questions=("代码 E1",)),
            Passage(words, "E1", "repairs/a.md", "en"),
        ]
    ).within(["shop"])
    assert titles(index.search(words, language="en")) == ["代码 E1"]


def test_a_sure_entry_comes_first_even_if_only_one_match_is_wanted():
    answer = "请在订单页申请，填写原因，等待审核。" * 30
    faq = Passage(answer, "售后", "shop/faq.yaml", "zh", questions=("退货需要什么流程步骤",))
    document = Passage("退货流程步骤。" * 30, "退货流程步骤", "shop/long.md", "zh")
    index = build_index([*PASSAGES[1:], faq, document])
    best = max(index.search("退货流程步骤", 4, "zh"), key=lambda match: match.score)
    assert best.passage is document
    (match,) = index.search("退货流程步骤", 1, "zh")
    assert match.passage is faq


def test_only_the_folders_asked_for_are_searched(index):
    repairs = index.within(["repairs"])
    assert titles(repairs.search("多久保养一次", language="zh")) == ["保养"]
    assert repairs.search("怎么退货", language="zh") == []
    assert "保养" not in titles(index.within(["shop"]).search("多久保养一次", language="zh"))
    both = index.within(["repairs", "shop"])
    assert both.search("怎么退货", language="zh")[0].sure
    assert index.within(["."]).search("多久保养一次", language="zh")[0].sure
    assert index.within(["rep"]).search("多久保养一次", language="zh") == []


def test_no_more_matches_than_asked_for_are_given_best_first(index):
    for limit in (1, 2, 100):
        matches = index.search("怎么退货 发票 E1", limit, "zh")
        assert 0 < len(matches) <= limit
        kinds = [(match.sure, match.good) for match in matches]
        assert kinds == sorted(kinds, reverse=True)


def test_two_entries_for_the_same_question_are_not_sure():
    index = build_index(
        [
            Passage("29 元", "a", "a.csv", "zh", questions=("壶盖多少钱？",)),
            Passage("39 元", "b", "b.csv", "zh", questions=("壶盖多少钱",)),
        ]
    )
    assert not any(match.sure for match in index.search("壶盖多少钱", language="zh"))


def test_an_empty_index_finds_nothing():
    assert build_index(()).search("怎么退货") == []
    assert build_index(()).within(["shop"]).search("怎么退货") == []


def test_passages_without_a_single_word_can_be_indexed():
    index = build_index([Passage("!!!", "", "a.md"), Passage("---", "", "b.md")])
    assert index.search("怎么退货") == []


def test_a_long_message_is_searched_by_its_beginning(index):
    assert index.search("怎么退货" + "，" * 100_000, language="zh")[0].passage.title == "退货"


def test_an_index_cannot_be_changed(index):
    with pytest.raises(FrozenInstanceError):
        index.passages = ()


def test_building_prints_nothing_and_loads_the_dictionary_before_the_first_question():
    code = (
        "import sys\n"
        "from core.knowledge.documents import Passage\n"
        "from core.knowledge.index import build_index\n"
        "assert 'rjieba' not in sys.modules\n"
        "build_index([Passage('English only', 'a', 'a.md')])\n"
        "assert 'rjieba' in sys.modules\n"
        "assert not {'numba', 'jax', 'scipy'} & sys.modules.keys()\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
