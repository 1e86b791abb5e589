import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.language import detect_language, script_language

DATA = Path(__file__).parents[3] / "shared/data/langid/dev.jsonl"
ZH_EN = ["zh", "en"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("怎么退货？", "zh"),
        ("怎麼退貨？", "zh"),
        ("How do I return it?", "en"),
        ("我的iPhone15 Pro Max壳裂了", "zh"),
        ("我想return这个order", "zh"),
        ("what does 待发货 mean?", "en"),
        ("退款refund please", "en"),
        ("QH-K17 坏了", "zh"),
        ("https://shop.example/some/long/path?x=1 怎么买", "zh"),
        ("my@mail.example 收不到邮件", "zh"),
        ("<PHONE_1> 能改吗", "zh"),
        ("鲜の牛奶多少钱", "zh"),
        ("WHERE IS MY ORDER", "en"),
    ],
)
def test_the_script_that_carries_the_message_decides(text, language):
    assert detect_language(text, ZH_EN, None) == language
    assert detect_language(text, ["en", "zh"], "en") == language


@pytest.mark.parametrize("text", ["ok", "OK", "hi", "123", "😀", "?!", "", "   ", "K17", "E1"])
def test_a_message_without_language_keeps_the_language_of_the_conversation(text):
    assert detect_language(text, ZH_EN, "en") == "en"
    assert detect_language(text, ZH_EN, "zh") == "zh"
    assert detect_language(text, ZH_EN, None) == "zh"


@pytest.mark.parametrize(
    "text", ["Привет, где мой заказ?", "สวัสดี", "مرحبا", "안녕하세요", "בוקר טוב"]
)
def test_a_language_that_is_not_offered_keeps_the_conversation_or_gets_the_first(text):
    assert detect_language(text, ZH_EN, "en") == "en"
    assert detect_language(text, ZH_EN, None) == "zh"


def test_a_previous_language_that_is_no_longer_offered_is_forgotten():
    assert detect_language("ok", ZH_EN, "fr") == "zh"


def test_one_candidate_is_always_the_answer():
    assert detect_language("How do I return it?", ["zh"], None) == "zh"


@pytest.mark.parametrize(
    ("text", "previous", "language"),
    [
        ("返品したいです", None, "ja"),
        ("返品", "ja", "ja"),
        ("返品", None, "zh"),
        ("我要退掉上周买的水壶", "ja", "zh"),
        ("カタログ", "zh", "ja"),
    ],
)
def test_kana_tells_japanese_from_chinese_whatever_the_order_of_candidates(
    text, previous, language
):
    assert detect_language(text, ["zh", "ja", "en"], previous) == language
    assert detect_language(text, ["ja", "en", "zh"], previous) == language


def test_regions_of_a_language_are_told_by_its_script():
    assert detect_language("怎麼退貨", ["en-US", "zh-TW"], None) == "zh-TW"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wo ist meine Bestellung geblieben?", "de"),
        ("Où est ma commande, s'il vous plaît ?", "fr"),
        ("Where is my order, please?", "en"),
        ("Hvor er pakken min? Jeg har ikke fått den ennå.", "nb"),
    ],
)
def test_languages_of_one_script_are_told_by_their_letters(text, language):
    assert detect_language(text, ["zh", "en", "de", "fr", "nb"], None) == language


def test_a_thin_lead_does_not_change_the_language_of_the_conversation():
    assert detect_language("restaurant", ["en", "de", "fr"], "de") == "de"
    assert detect_language("restaurant", ["en", "de", "fr"], "fr") == "fr"


def test_the_detector_is_not_loaded_where_one_language_per_script_is_spoken():
    code = (
        "import sys; from core.language import detect_language, load_detector\n"
        "load_detector(['zh', 'en', 'ko'])\n"
        "detect_language('How do I return it?', ['zh', 'en', 'ko'], None)\n"
        "sys.exit('py3langid' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_detector_is_loaded_ahead_where_two_languages_share_a_script():
    code = (
        "import sys; from core.language import load_detector\n"
        "load_detector(['zh', 'en', 'fr']); sys.exit('py3langid' not in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "language"),
    [("说明书", "zh"), ("取扱説明書です", "ja"), ("매뉴얼", "ko"), ("User manual", ""), ("17", "")],
)
def test_a_script_gives_away_a_language_or_says_nothing(text, language):
    assert script_language(text) == language


@pytest.mark.skipif(not DATA.exists(), reason="the data set langid is not here")
def test_short_sentences_of_every_script_are_told_apart():
    spoken = ["zh", "ja", "ko", "ru", "th", "ar", "en", "he", "el", "hi"]
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["lang"] in spoken]
    right = [detect_language(row["text"], spoken, None) == row["lang"] for row in rows]
    assert len(right) == 600
    assert sum(right) >= 598
