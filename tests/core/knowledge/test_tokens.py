import pytest

from core.knowledge.tokens import content, normalise, weigh


def words(text: str) -> list[str]:
    return [token for token, _ in weigh(text) if token.startswith(".")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("怎麼退貨", "怎么退货"),
        ("ＱＨ－Ｋ１７", "qh-k17"),
        ("请问如何退货", "怎么退货"),
        ("多长时间能到", "多久能到"),
        ("I can't log in", "i can not log in"),
        ("doesnt work", "does not work"),
        ("what’s wrong", "what wrong"),
    ],
)
def test_what_means_the_same_is_made_equal(one, other):
    assert list(weigh(one)) == list(weigh(other))


def test_what_is_no_turn_of_phrase_stays():
    assert normalise("recantation") == "recantation"


@pytest.mark.parametrize(
    ("inflected", "plain"),
    [
        ("orders", "order"),
        ("parcels", "parcel"),
        ("deliveries", "delivery"),
        ("shipping", "ship"),
        ("ordered", "order"),
        ("invoices", "invoice"),
        ("addresses", "address"),
    ],
)
def test_english_endings_do_not_matter(inflected, plain):
    assert words(inflected) == words(plain)


@pytest.mark.parametrize("word", ["gas", "bus", "this", "status", "press", "bring", "red", "naïve"])
def test_a_word_that_only_looks_inflected_keeps_its_letters(word):
    assert words(word) == [f".{word}"]


def test_words_of_the_subject_weigh_most_and_words_of_every_question_least():
    weights = dict(weigh("发票怎么开呢"))
    assert weights[".发票"] > weights[".怎么"] > weights[".呢"]


def test_chinese_is_indexed_by_words_and_by_one_and_two_characters():
    tokens = [token for token, _ in weigh("水壶除垢")]
    assert tokens == [".水壶", ".除垢", "水", "壶", "除", "垢", "水壶", "壶除", "除垢"]


def test_english_is_indexed_by_words_and_by_three_letters():
    assert [token for token, _ in weigh("Fee")] == [".fee", "_fe", "fee", "ee_"]


def test_content_does_not_depend_on_where_words_are_cut():
    assert content(weigh("炸鸡翅")) >= {"鸡翅"}
    assert content(weigh("我的水壶怎么了")) == {"水壶"}
    assert content(weigh("how do I clean it")) == {".clean"}
    assert content(weigh("how are you")) == set()
