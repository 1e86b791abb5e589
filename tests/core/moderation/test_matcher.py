"""Finding and filtering whole texts."""

from core.moderation.hits import Hit
from core.moderation.words import load_word_lists


def test_a_refused_word_cuts_the_text_right_before_it(make_matcher):
    found = make_matcher("secret").filter("no secret here, no secret there")
    assert found.text == "no "
    assert found.refused
    assert found.hits == (Hit("refused", "refuse", 3, 9),)


def test_a_masked_word_becomes_as_many_stars_as_it_had_characters(make_matcher):
    found = make_matcher(mask=["橙鹿购"]).filter("去橙\u200d❤️鹿购买")
    assert found.text == "去" + "*" * 6 + "买"
    assert not found.refused


def test_a_logged_word_changes_nothing(make_matcher):
    found = make_matcher(log=["watch"]).filter("my watch stopped")
    assert found.text == "my watch stopped"
    assert found.hits == (Hit("logged", "log", 3, 8),)


def test_of_overlapping_words_the_leftmost_counts_and_then_the_longest(make_matcher):
    matcher = make_matcher(mask=["甲乙", "甲乙丙", "丙丁", "乙丙丁戊"])
    assert [(hit.start, hit.end) for hit in matcher.find("甲乙丙丁戊丙丁")] == [(0, 3), (5, 7)]


def test_neither_a_masked_nor_a_logged_word_hides_a_refused_one(make_matcher):
    matcher = make_matcher("乙丙", mask=["甲乙"], log=["甲乙丙"])
    found = matcher.filter("甲乙丙")
    assert found.text == "*"
    assert [hit.action for hit in found.hits] == ["mask", "log", "refuse"]


def test_hits_behind_a_refused_word_are_not_reported(make_matcher):
    found = make_matcher("乙", mask=["甲"]).filter("甲乙甲")
    assert [hit.start for hit in found.hits] == [0, 1]


def test_a_word_inside_an_allowed_phrase_is_no_hit(make_matcher):
    matcher = make_matcher("三级片", "片区外", allow=["三级片区"])
    assert not matcher.find("三级片区")
    assert not matcher.find("三級·片區")
    assert matcher.find("三级片")
    assert [hit.start for hit in matcher.find("三级片区外")] == [2]
    assert [hit.start for hit in matcher.find("三级片区三级片")] == [4]


def test_an_allowed_phrase_of_one_category_does_not_speak_for_another(write_lists):
    folder = write_lists(
        {
            "one.yaml": "action: refuse\nwords: [水枪]\nallow: [玩具水枪]\n",
            "two.yaml": "action: mask\nwords: [水枪]\n",
        }
    )
    matcher = load_word_lists(folder).matcher(["one", "two"])
    assert [hit.category for hit in matcher.find("玩具水枪")] == ["two"]


def test_one_word_in_two_lists_is_refused_and_logged(make_matcher):
    matcher = make_matcher("枪", log=["枪"])
    assert [hit.action for hit in matcher.find("枪")] == ["refuse", "log"]


def test_without_any_word_everything_passes(make_matcher):
    found = make_matcher().filter("fuck 1 you!")
    assert (found.text, found.hits, found.refused) == ("fuck 1 you!", (), False)
