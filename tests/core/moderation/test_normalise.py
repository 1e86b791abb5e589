"""Character tables and views."""

import pytest

from core.moderation.normalise import CharacterTable, Normaliser, View

# Everything but most of the Han and Hangul characters, which are all alike.
RANGES = (range(0x3500), range(0xA000, 0xAD00), range(0xF800, 0x11000), range(0x1D400, 0x1FB00))
CHARACTERS = [chr(code) for codes in RANGES for code in codes]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ＦＵＬＬ　Ｗｉｄｔｈ", "fullwidth"),
        ("𝕗𝒂𝓃𝔠𝐲", "fancy"),
        ("Ⓐⓑ🅲🅳ᴇ", "abcde"),
        ("Straße ﬁsh", "strassefish"),
        ("fùçk", "fuck"),
        ("z̷̧̢a̸l̵g̴o", "zalgo"),
        ("簡體中文與薴", "简体中文与苎"),
        ("⼈工㊙", "人工秘"),
        ("a\u200bb\u200dc\u2060d\ufeffe\u00adf\U000e0041g", "abcdefg"),
        ("f.u*c k！", "fuck"),
        ("炸①弹②", "炸弹"),
        ("shut™ ㎏ ²", "shut"),
        ("vіаgrа", "viagra"),
        ("ВОДА", "boдa"),
        ("ｶﾞ한ไทย", "カ\u3099한ไทย"),
    ],
)
def test_disguised_text_is_levelled(normaliser: Normaliser, written: str, meant: str):
    assert written.translate(normaliser.plain) == meant


def test_look_alikes_are_told_from_genuine_letters(normaliser: Normaliser):
    assert "сор".translate(normaliser.exact) == "сор"
    assert "сор".translate(normaliser.plain) == "cop"


def test_digits_and_signs_become_the_letters_they_stand_for(normaliser: Normaliser):
    assert "5h1t".translate(normaliser.merged) == "shit".translate(normaliser.merged)
    assert "$h!t".translate(normaliser.merged) == "ht"
    assert "$h！t".translate(normaliser.merged_signs) == "shit".translate(normaliser.merged)
    assert "$h！t".translate(normaliser.signs) == "$h!t"


def test_han_characters_become_syllables_and_latin_letters_stay(normaliser: Normaliser):
    assert "麻醉qiang 槍".translate(normaliser.spoken) == "mazuiqiangqiang"


def test_every_character_has_one_kind(normaliser: Normaliser):
    assert "中かก a1я *❤①_ ,。+\n\u3000".translate(normaliser.kind) == "hhh aaa **** ,,,  "
    assert "\u200b\u0301\ufe0f\u2066\x00".translate(normaliser.kind) == ""


def test_no_character_of_unicode_breaks_a_table(normaliser: Normaliser):
    everything = "".join(CHARACTERS)
    for table in (normaliser.spoken, normaliser.dense):
        assert everything.translate(table)
    assert set(everything.translate(normaliser.kind)) == set("*, ha")


def test_what_is_dropped_from_one_view_is_dropped_from_its_unmerged_twin(normaliser: Normaliser):
    for merged, unmerged in (
        (normaliser.merged, normaliser.plain),
        (normaliser.merged_signs, normaliser.signs),
        (normaliser.plain, normaliser.exact),
    ):
        for character in CHARACTERS:
            assert len(character.translate(merged)) == len(character.translate(unmerged))


def test_a_word_is_normalised_like_its_normal_form(normaliser: Normaliser):
    for character in CHARACTERS:
        once = character.translate(normaliser.plain)
        assert once.translate(normaliser.plain) == once


def test_a_view_knows_where_each_letter_stands(normaliser: Normaliser):
    view = View("xx ﬁ\u200b-n", 2, normaliser.plain, normaliser.plain)
    assert view.letters == "fin"
    assert view.at == [3, 3, 6]


def test_a_table_forgets_before_it_grows_without_bound():
    asked = []
    table = CharacterTable(lambda character: asked.append(character) or character)
    for code in range(50_000):
        assert chr(code).translate(table) == chr(code)
    assert len(table) <= 20_000
    assert len(asked) == 50_000
