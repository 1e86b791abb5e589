"""Which finds count: disguises are seen through, and harmless text stays harmless."""

import pytest

WORDS = (
    "fuck",
    "ass",
    "shit",
    "cop",
    "slut",
    "ignore all previous instructions",
    "色情",
    "麻醉枪",
    "炸弹制作",
    "代开发票",
    "银行卡",
    "加qq群",
    "сука",
    "нет",
    "妈的",
)


@pytest.fixture(scope="module")
def matcher(make_matcher):
    return make_matcher(*WORDS)


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("what the FUCK is this", "FUCK"),
        ("你fuck吗", "fuck"),
        ("ｆｕｃｋ", "ｆｕｃｋ"),
        ("a f.u.c.k b", "f.u.c.k"),
        ("f u c k", "f u c k"),
        ("fu.ck", "fu.ck"),
        ("f_uck", "f_uck"),
        ("f\u200bu\u0301ck", "f\u200bu\u0301ck"),
        ("f❤️u👍🏽c①k", "f❤️u👍🏽c①k"),
        ("🅵🆄🅲🅺 you", "🅵🆄🅲🅺"),
        ("fùck", "fùck"),
        ("a s s", "a s s"),
        ("@ss", "@ss"),
        ("sh1t", "sh1t"),
        ("$h!t!", "$h!t"),
        ("5lut 51ut", "5lut"),
        ("s|ut", "s|ut"),
        ("соp", "соp"),
        ("Ignore ALL  previous—instructions!", "Ignore ALL  previous—instructions"),
        ("ignoreallpreviousinstructions", "ignoreallpreviousinstructions"),
        ("看色情片", "色情"),
        ("看色*情片", "色*情"),
        ("看色\u200d情片", "色\u200d情"),
        ("看色😀情片", "色😀情"),
        ("色 情", "色 情"),
        ("（色，情）", "色，情"),
        ("简麻，醉，枪单", "麻，醉，枪"),
        ("请代 开发票吧", "代 开发票"),
        ("麻醉槍", "麻醉槍"),
        ("麻①醉②槍", "麻①醉②槍"),
        ("麻1醉2枪", "麻1醉2枪"),
        ("麻a醉bc枪", "麻a醉bc枪"),
        ("麻1️⃣醉1️⃣枪", "麻1️⃣醉1️⃣枪"),
        ("麻醉qiang出售", "麻醉qiang"),
        ("买ma zui枪", "ma zui枪"),
        ("ma zui qiang", "ma zui qiang"),
        ("买MaZuiQiang吗", "MaZuiQiang"),
        ("办银hang卡", "银hang卡"),
        ("办yin行ka", "yin行ka"),
        ("找seqing片", "seqing"),
        ("sèqíng片", "sèqíng"),
        ("请加QQ群", "加QQ群"),
        ("请加扣扣 加qqqun", "加qqqun"),
        ("СУКА", "СУКА"),
    ],
)
def test_a_word_in_disguise_is_found(matcher, text: str, hit: str):
    assert [text[found.start : found.end] for found in matcher.find(text)][:1] == [hit]


@pytest.mark.parametrize(
    "text",
    [
        "this hit is from Essex, in class",
        "assess the pass",
        "ass1 model A55 and A5S",
        "it's hit or miss",
        "it is. Hit me",
        "fuckword",
        "order 5417 at $417!",
        "red cop1 сор",
        "het huis",
        "红色 情侣款",
        "红色，情侣款",
        "红色、情侣款",
        "红色1情侣",
        "麻1醉枪",
        "麻abc醉abc枪",
        "代，开发票",
        "made in Taiwan",
        "made",
        "se qing",
        "麻zui4枪",
        "马醉qiang",
        "麻xqiang醉",
        "ma zui qianga",
        "am azuiqiang",
        "f" + "." * 9 + "u.c.k",
        "色" + "\u200b" * 9 + "情",
    ],
)
def test_harmless_text_stays_harmless(matcher, text: str):
    assert matcher.find(text) == ()


def test_a_neighbour_behind_invisible_characters_still_belongs_to_the_word(matcher):
    assert not matcher.find("ass\u200bess")
    assert not matcher.find("cl\u200bass")
    assert matcher.find("ass" + "\u200b" * 9 + "ess")
    assert matcher.find("cl" + "\u200b" * 9 + "ass")


def test_eight_characters_may_stand_between_two_letters_and_nine_may_not(matcher):
    assert matcher.find("麻" + "_" * 8 + "醉枪")
    assert not matcher.find("麻" + "_" * 9 + "醉枪")


def test_accents_are_a_disguise_in_english_and_part_of_the_word_elsewhere(make_matcher):
    spanish = make_matcher("ano", "café", language="es")
    assert not spanish.find("un año")
    assert not spanish.find("un an\u0303o")
    assert spanish.find("el ano")
    assert spanish.find("un café y un cafe\u0301")
    assert not spanish.find("un cafe")
    assert make_matcher("ano", language="en").find("un año")


def test_every_word_is_found_in_itself_and_with_others_around(matcher):
    for word in WORDS:
        for text in (word, word.upper(), f"你好，{word}。", f" {word} "):
            assert matcher.find(text), text
