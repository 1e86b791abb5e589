"""Loading word lists, and what is said about wrong ones."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from core.moderation.words import load_word_lists

ABUSE = """\
# insults
description: Insults
action: refuse
words:
  - 笨蛋
  - fool
allow:
  - April fool
"""


def complaint(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_word_lists(folder)
    return str(caught.value).replace(str(folder), "words")


def test_a_file_is_a_category(write_lists):
    rivals = "category: rivals\naction: mask\nwords: [Larkmart]\n"
    folder = write_lists({"abuse.yaml": ABUSE, "others.yml": rivals, "guns.tsv": "# n\n麻醉枪\n"})
    lists = load_word_lists(folder)
    told = [(it.name, it.description, it.action, it.words) for it in lists.categories()]
    assert told == [
        ("abuse", "Insults", "refuse", 2),
        ("guns", "", "refuse", 1),
        ("rivals", "", "mask", 1),
    ]


def test_a_matcher_has_the_categories_it_was_asked_for(write_lists):
    folder = write_lists({"abuse.yaml": ABUSE, "guns.tsv": "麻醉枪\nрана\tru\n"})
    lists = load_word_lists(folder)
    assert not lists.matcher(["guns"]).find("you fool")
    assert lists.matcher(["abuse"]).find("you fool")
    assert not lists.matcher(["abuse"]).find("an April fool's joke")
    assert not lists.matcher(["abuse"], allow=["a fool for love"]).find("a fool for love")


def test_a_category_to_be_logged_only_is_logged_also_if_named_twice(write_lists):
    lists = load_word_lists(write_lists({"abuse.yaml": ABUSE}))
    for matcher in (lists.matcher(["abuse"], ["abuse"]), lists.matcher([], ["abuse"])):
        assert [hit.action for hit in matcher.find("fool")] == ["log"]


def test_a_language_in_a_long_list_makes_accents_count(write_lists):
    lists = load_word_lists(write_lists({"es.tsv": "ano\tes\n", "en.tsv": "ano\ten-GB\n"}))
    assert not lists.matcher(["es"]).find("este año")
    assert lists.matcher(["en"]).find("este año")


def test_other_files_and_an_empty_folder_are_no_mistake(write_lists):
    folder = write_lists({".abuse.yaml.swp": "\0", "README.md": "hello", "abuse.yaml~": "x"})
    lists = load_word_lists(folder)
    assert lists.categories() == ()
    assert lists.matcher([]).find("fool") == ()


def test_a_category_that_is_not_there_is_named_with_those_that_are(write_lists):
    lists = load_word_lists(write_lists({"abuse.yaml": ABUSE, "guns.tsv": "麻醉枪\n"}))
    for name, hint in (("abus", "did you mean abuse?"), ("politics", "there are abuse or guns")):
        with pytest.raises(ConfigError) as caught:
            lists.matcher(["abuse"], [name])
        assert str(caught.value) == f'category "{name}": is no word list; {hint}'


def test_where_there_is_no_list_at_all_that_is_said(write_lists):
    with pytest.raises(ConfigError, match="is no word list; there are none"):
        load_word_lists(write_lists({})).matcher(["abuse"])


def test_an_allowed_phrase_without_letters_is_refused(write_lists):
    lists = load_word_lists(write_lists({"abuse.yaml": ABUSE}))
    with pytest.raises(ConfigError, match='allowed phrase "!!": holds no letter or digit'):
        lists.matcher(["abuse"], allow=["!!"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "action: refuse\n", "words/a.yaml:1: words: is missing, should be a list with"),
        ("a.yaml", "action: block\nwords: [x1]\n", "words/a.yaml:1: action: holds"),
        ("a.yaml", "action: mask\nwords: []\n", "words/a.yaml:2: words: "),
        (
            "a.yaml",
            "words: [ok]\nword: [x1]\naction: mask\n",
            "words/a.yaml:2: word: is not a known name; did",
        ),
        ("a.yaml", "action: mask\nwords:\n  - ok\n  - 89\n", "words/a.yaml:4: words, entry 2: "),
        ("a.yaml", "action: mask\nwords:\n  - ok\n  - '!!'\n", 'words/a.yaml:4: "!!" holds no'),
        ("a.yaml", "action: mask\nwords:\n  - ok\n  - x\n", 'words/a.yaml:4: "x" is a single'),
        ("a.yaml", f"action: mask\nwords:\n  - {'x' * 121}\n", "words/a.yaml:3: "),
        ("a.yaml", "action: mask\nwords: [ok]\nallow:\n  - '?'\n", 'words/a.yaml:4: "?" holds no'),
        ("a.yaml", "action: mask\nwords: [ok\n", "words/a.yaml:"),
        ("a.yaml", "category: My List\naction: mask\nwords: [ok]\n", "words/a.yaml:1: category: "),
        ("My List.yaml", "action: mask\nwords: [ok]\n", "words/My List.yaml: the file should be"),
        ("a.tsv", "ok\nweapons\t麻醉枪\n", 'words/a.tsv:2: behind the tab stands "麻醉枪", should'),
        ("a.tsv", "ok\n\n*\n", 'words/a.tsv:3: "*" holds no letter or digit'),
        ("a.tsv", "# nothing\n", "words/a.tsv: has no word; there should be one a line"),
        ("a.txt", "ok\n", "words/a.txt: is no word list; its name should end in .yaml or .tsv"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_what_would_be_right(write_lists, name, text, said):
    assert complaint(write_lists({name: text})).startswith(said)


def test_all_wrong_files_are_named_at_once(write_lists):
    folder = write_lists({"a.yaml": "action: mask\n", "b.yaml": ABUSE, "c.tsv": "?\n"})
    lines = complaint(folder).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["words/a.yaml", "words/c.tsv"]


def test_two_files_of_one_category_are_both_named(write_lists):
    folder = write_lists({"abuse.tsv": "fool\n", "abuse.yaml": ABUSE})
    assert complaint(folder) == (
        "words/abuse.yaml: has the same category as words/abuse.tsv; one should have another name"
    )


def test_of_very_many_mistakes_twenty_are_shown(write_lists):
    lines = complaint(write_lists({"a.tsv": "?\n" * 50})).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "words/a.tsv: and 30 more"


def test_a_file_that_is_not_utf8_is_named_with_its_line(write_lists):
    folder = write_lists({})
    (folder / "a.tsv").write_bytes("好\n".encode() + "坏".encode("gbk"))
    assert complaint(folder).startswith("words/a.tsv:2: is not UTF-8")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be listed"):
        load_word_lists(tmp_path / "nowhere")
