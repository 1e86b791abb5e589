"""How characters sound."""

import pytest

from core.moderation.pinyin import Pinyin, load_pinyin


@pytest.fixture(scope="module")
def pinyin() -> Pinyin:
    return load_pinyin()


def test_syllables_have_no_tones_and_v_for_u_umlaut(pinyin: Pinyin):
    assert [pinyin.first[ord(han)] for han in "中国女绿"] == ["zhong", "guo", "nv", "lv"]
    assert all(syllable.isascii() and syllable.islower() for syllable in pinyin.first.values())


def test_everyday_characters_have_their_second_reading(pinyin: Pinyin):
    assert set(pinyin.spellings("银行")) == {"yinxing", "yinhang"}
    assert pinyin.readings("枪") == ("qiang",)
    assert pinyin.readings("q") == ("q",)


def test_a_word_has_eight_spellings_at_most(pinyin: Pinyin):
    spellings = list(pinyin.spellings("行长重藏都调了佛"))
    assert len(spellings) == len(set(spellings)) == 8
