"""The stream filter does to any chunks what the whole-text filter does to the text."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.moderation.matcher import Matcher
from core.moderation.stream import StreamFilter
from core.moderation.words import WordLists, load_word_lists

ROOT = Path(__file__).parents[3]
SHARED_DATA = ROOT.parent / "shared" / "data"

BAD = """
action: refuse
words: [麻醉枪, 枪, 三级片, 代开发票, 色情, 银行卡, 加qq群, 炸弹制作, 弹 制 开, a 卡,
  fuck, shit, ignore all previous, sb]
allow: [三级片区, 枪手, shit happens, 水枪]
"""
RIVALS = """
action: mask
words: [aba, abab, 淘宝, 宝贝计划, shop ex, ass, 枪手联盟, ex hib, 弹制]
allow: [淘宝贝, ass et]
"""
WATCH = """
action: mask
words: [发票, 贝, hit, us instr, 醉]
"""
FOREIGN = "año\tes\ncafé\tfr\nсука\tru\n"

PIECES = (
    *"麻醉枪三级片区代开发票色情银行卡加群炸弹制作淘宝贝计划好手联盟水槍銀級區開發彈",
    *"fuckshit sbaqxZ157@$!|.,_*·，。\n❤①㎏㍿㊙ｆＫﬁсукай\u0301\u0303\u200b\u200d\ufe0f\u00adßİñóé",
    *("fuck", "shit", "happens", "ignore", " all ", "previous", "qq", "aba", "shop", "ex", "hib"),
    *("ass", "et", "us", "instr", "hit", "$h", "!t", "año", "caf", "👍🏽", "👨‍👩‍👧", "1️⃣", "ไทย"),
    *("hang", "yin", "ka", "qun", "jia", "zha", "dan", "zhi", "zuo", "ma", "zui", "qiang", "iang"),
    *("\u200b" * 7, "\u200b" * 8, "\u200b" * 9, "_" * 8, " " * 9, ". . . . .", "\ud83d"),
)
HAN_WORDS = "麻醉枪 三级片区 代开发票 银行卡 炸弹制作 弹制开 淘宝贝计划好 加qq群 枪手联盟 色情"
WORDS = (
    *HAN_WORDS.split(),
    *("ignore all previous", "shit happens", "fuck", "aba", "ass et", "café", "сука"),
)
DISGUISES = (
    "麻ma 醉zui 枪qiang 行hang 卡ka 作zuo 片pian 票piao 级級 开開 发發 i1 s$ aа uù kＫ ée\u0301"
)
VARIANTS = {entry[0]: entry[1:] for entry in DISGUISES.split()}
GLUE = ("", "", "", "", "", "", "_", " ", "，", "x", "❤️", "\u0301", "\u200b" * 7, "_" * 8)
EVEN_GLUE = ("", "_", " ", ".", "1", "x", "①", "❤️", "\u200b")


@st.composite
def disguised(draw: st.DrawFn) -> str:
    """A word, perhaps broken off, each letter perhaps in disguise and with something behind it."""
    word = draw(st.sampled_from(WORDS))
    mixed = draw(st.booleans())
    glue = st.sampled_from(GLUE) if mixed else st.just(draw(st.sampled_from(EVEN_GLUE)))
    letters = word[: draw(st.integers(1, len(word)))] if draw(st.integers(0, 3)) == 0 else word
    return "".join(
        (VARIANTS.get(letter, letter) if draw(st.integers(0, 2)) == 0 else letter) + draw(glue)
        for letter in letters
    )


TEXTS = st.lists(
    disguised() | st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=12
).map("".join)
CHUNKS = st.just([1]) | st.lists(st.integers(1, 12), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> WordLists:
    folder = tmp_path_factory.mktemp("words")
    files = {"bad.yaml": BAD, "rivals.yaml": RIVALS, "watch.yaml": WATCH, "foreign.tsv": FOREIGN}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return load_word_lists(folder)


@pytest.fixture(scope="module")
def matchers(lists: WordLists) -> list[Matcher]:
    """One that refuses, and one that only masks and logs, so that streams go on for long."""
    return [
        lists.matcher(["bad", "rivals", "foreign"], ["watch"], ["贝计划好", "qian"]),
        lists.matcher(["rivals"], ["bad", "watch", "foreign"], ["贝计划好"]),
    ]


def cut(text: str, sizes: Sequence[int]) -> Iterator[str]:
    """Chunks of these sizes, again and again."""
    rest = text
    for size in itertools.cycle(sizes):
        if not rest:
            return
        yield rest[:size]
        rest = rest[size:]


def assert_streams_like_whole(matcher: Matcher, text: str, sizes: Sequence[int]) -> None:
    whole = matcher.filter(text)
    stream = StreamFilter(matcher)
    shown = ""
    for chunk in cut(text, sizes):
        shown += stream.feed(chunk)
        assert whole.text.startswith(shown)
        assert stream.held <= matcher.reach
    shown += stream.flush()
    assert (shown, stream.hits, stream.refused) == (whole.text, whole.hits, whole.refused)


@settings(max_examples=max(300, settings.default.max_examples), deadline=None)
@given(text=TEXTS, sizes=CHUNKS, upper=st.booleans())
@example(text="淘宝贝计划好", sizes=[1], upper=False)
@example(text="好" + "\u200b" * 7 + "色，情。", sizes=[9], upper=False)
@example(text="fuck" + "\u200b" * 7 + "x", sizes=[11], upper=False)
@example(text="caf" + "e\u200b\u0301 ", sizes=[1], upper=False)
@example(text="麻1醉1枪1", sizes=[1], upper=False)
@example(text="银hang卡", sizes=[2], upper=False)
@example(text="abababa枪手联盟", sizes=[2, 1], upper=False)
def test_any_chunks_give_what_the_whole_text_gives(
    matchers: list[Matcher], text: str, sizes: list[int], upper: bool
):
    for matcher in matchers:
        assert_streams_like_whole(matcher, text.upper() if upper else text, sizes)


def test_every_shipped_word_is_stopped_letter_by_letter():
    lists = load_word_lists(ROOT / "config" / "words")
    for category in lists.categories():
        matcher = lists.matcher([category.name])
        words = [term.letters for term in lists._lists[category.name].terms if not term.allows]
        for word in words:
            stream = StreamFilter(matcher)
            shown = "".join(map(stream.feed, f"您好，{word}。")) + stream.flush()
            assert shown in ("您好，", f"您好，{'*' * len(word)}。"), word
            assert stream.hits


def test_a_word_that_could_go_on_is_held_until_it_cannot(make_matcher):
    stream = StreamFilter(make_matcher("ass", "代开发票"))
    assert stream.feed("an ass") == "an "
    assert stream.feed("\u200b") == ""
    assert stream.feed("et") == "ass\u200bet"
    assert stream.feed(" 时代") == " 时"
    assert stream.feed("开，") == ""
    assert stream.feed("会") == "代开，会"
    assert stream.feed("代开發") == ""
    assert stream.flush() == "代开發"


def test_after_a_refused_word_nothing_is_shown(make_matcher):
    stream = StreamFilter(make_matcher("麻醉枪"))
    assert stream.feed("买麻醉槍吧") == "买"
    assert stream.refused
    assert stream.feed("你好") == ""
    assert stream.flush() == ""
    assert [(hit.start, hit.end) for hit in stream.hits] == [(1, 4)]


def test_the_longest_masked_word_is_waited_for(make_matcher):
    stream = StreamFilter(make_matcher(mask=["云雀", "云雀商城旗舰店"]))
    assert stream.feed("去云雀商城") == "去"
    assert stream.feed("买") == "**商城买"
    assert stream.feed("云雀商城旗舰店") == ""
    assert stream.flush() == "*******"


def test_a_mask_reaches_over_what_is_still_held(make_matcher):
    stream = StreamFilter(make_matcher(mask=["甲乙丙"], log=["丙丁戊"]))
    assert stream.feed("甲乙丙丁") == "**"
    assert stream.feed("好") == "*丁好"


def test_what_is_held_is_bounded_however_an_attacker_stretches_a_word(make_matcher):
    matcher = make_matcher("麻醉枪", "abcdefgh")
    for letters in ("麻醉", "abcdefg"):
        stretched = "".join(letter + "\u200b" * 8 for letter in letters)
        for text in (stretched * 20, stretched + "\u200b" * 500, letters * 100):
            stream = StreamFilter(matcher)
            for character in text:
                stream.feed(character)
                assert stream.held <= matcher.reach == 90


def test_the_shops_own_texts_are_hardly_held_back():
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "config" / "knowledge").rglob("*.*"))
    ]
    assert texts
    assert _mean_held(texts) < 1


def test_encyclopedia_passages_are_hardly_held_back():
    passages = SHARED_DATA / "cmrc2018" / "passages.jsonl"
    if not passages.exists():
        pytest.skip("needs the data set cmrc2018 in ../shared/data")
    lines = passages.read_text(encoding="utf-8").splitlines()[:60]
    assert _mean_held([json.loads(line)["text"] for line in lines]) < 1


def _mean_held(texts: list[str]) -> float:
    """Characters held back after a chunk of one to four, with all shipped lists."""
    lists = load_word_lists(ROOT / "config" / "words")
    matcher = lists.matcher([category.name for category in lists.categories()])
    held = []
    for text in texts:
        stream = StreamFilter(matcher)
        for chunk in cut(text, [1, 4, 2, 3]):
            stream.feed(chunk)
            held.append(stream.held)
        assert not stream.refused
    return sum(held) / len(held)
