from pathlib import Path

import pytest

from config.errors import PersonaError
from config.persona import (
    SENTENCES,
    check_personas,
    load_persona,
    load_personas,
    route,
    scan_personas,
    set_value,
)

SHIPPED = Path(__file__).parents[2] / "config" / "personas"


def complaints(call, *arguments):
    with pytest.raises(PersonaError) as caught:
        call(*arguments)
    return str(caught.value).split("\n")


def test_a_folder_gives_its_good_personas_beside_the_problems_of_the_others(
    write_persona, tmp_path
):
    write_persona("good")
    broken = write_persona("broken", change=[("tone: polite", "tone: 7")])
    personas, problems = scan_personas(tmp_path)
    assert list(personas) == ["good"]
    assert problems == [
        f"{broken}:7: tone: holds 7 without quotation marks, should be text of at most "
        "1000 characters"
    ]
    assert complaints(load_personas, tmp_path) == problems


def test_files_of_editors_and_other_files_are_left_alone(write_persona, tmp_path):
    write_persona("good")
    for name in (".good.yaml.swp", ".#good.yaml", "good.yaml~", "README.md", ".hidden.yaml"):
        (tmp_path / name).write_text("- not a persona")
    assert list(load_personas(tmp_path)) == ["good"]


def test_a_folder_without_personas_is_a_problem(tmp_path):
    line = f"{tmp_path}: should hold a persona file, such as xiaoq.yaml"
    assert scan_personas(tmp_path) == ({}, [line])
    assert complaints(load_personas, tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere: should hold a persona file, such as xiaoq.yaml"
    ]


def test_one_id_in_two_files_is_a_problem(write_persona, tmp_path):
    path = write_persona("a")
    path.with_suffix(".yml").write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    assert complaints(load_personas, tmp_path) == [
        f"{tmp_path}/a.yml: has the same name as {tmp_path}/a.yaml; remove one of the two"
    ]


@pytest.mark.parametrize("channels", ['"*"', "web", '"web:repairs"'])
def test_two_personas_with_one_channel_are_named_with_both_files(write_persona, tmp_path, channels):
    one, other = write_persona("a", "A", channels), write_persona("b", "B", channels)
    channel = channels.strip('"')
    assert complaints(load_personas, tmp_path) == [
        f'{one} and {other}: both claim the channel "{channel}"; one should give it up'
    ]


@pytest.mark.parametrize("name", ["A", "a", "b"])
def test_two_personas_with_one_name_are_named_with_both_files(write_persona, tmp_path, name):
    one, other = write_persona("b", "A", "web"), write_persona("c", name, "api")
    (line,) = complaints(load_personas, tmp_path)
    assert line.startswith(f"{one} and {other}: both answer to the name")


def test_conflicts_are_for_the_caller_of_a_scan_to_decide(write_persona, tmp_path):
    write_persona("a", "A", "web")
    write_persona("b", "B", "web")
    personas, problems = scan_personas(tmp_path)
    assert (list(personas), problems) == (["a", "b"], [])
    assert len(check_personas(personas)) == 1


def test_an_account_goes_before_its_channel_and_that_before_the_rest(write_persona, tmp_path):
    write_persona("account", "A", '"web:x"')
    write_persona("channel", "B", "web, api")
    write_persona("rest", "C")
    personas = load_personas(tmp_path)
    found = [route(personas, *where).id for where in [("web", "x"), ("web", "y"), ("slack", "x")]]
    assert found == ["account", "channel", "rest"]
    del personas["rest"]
    assert route(personas, "slack", "x") is None


def test_a_changed_value_leaves_every_comment_where_it_was(write_persona):
    path = write_persona()
    before = path.read_text(encoding="utf-8")
    persona = set_value(path, ("tone",), "warm: and brief")
    assert persona.card.tone == "warm: and brief"
    assert persona == load_persona(path)
    after = path.read_text(encoding="utf-8")
    assert after == before.replace("tone: polite", 'tone: "warm: and brief"')


@pytest.mark.parametrize("name", ["xiaoq", "repairs"])
def test_every_text_of_the_shipped_personas_can_be_changed_without_losing_a_comment(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    original = (SHIPPED / path.name).read_text(encoding="utf-8")
    comments = [line for line in original.split("\n") if line.lstrip().startswith("#")]
    path.write_text(original, encoding="utf-8")
    for kind in SENTENCES:
        set_value(path, ("sentences", kind, "en"), f"new: {kind}")
    set_value(path, ("rules",), "one\n\n- two")
    set_value(path, ("knowledge",), [".", "repairs"])
    set_value(path, ("moderation", "allow"), ["退款", "a, b"])
    set_value(path, ("channels",), ["web", "web:repairs"])
    card = set_value(path, ("sampling", "temperature"), 0).card
    assert card.sentences.fresh["en"] == "new: fresh"
    assert (card.rules, card.knowledge) == ("one\n\n- two", (".", "repairs"))
    assert card.moderation.allow == ("退款", "a, b")
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.split("\n") if line.lstrip().startswith("#")] == comments


@pytest.mark.parametrize(
    ("key_path", "value"),
    [
        (("name",), ""),
        (("sampling", "temperature"), 3),
        (("sentences", "busy"), {"en": "Busy"}),
        (("tnoe",), "x"),
        (("name", "x"), "x"),
        (("channels",), ["web", "web"]),
    ],
)
def test_a_change_that_would_not_be_good_is_refused_and_leaves_the_file_alone(
    write_persona, key_path, value
):
    path = write_persona()
    before = path.read_bytes()
    complaints(set_value, path, key_path, value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_change_that_would_take_another_personas_channel_is_refused(write_persona, tmp_path):
    write_persona("a", "A", "web")
    path = write_persona("b", "B", "api")
    (line,) = complaints(set_value, path, ("channels",), ["api", "web"])
    assert 'both claim the channel "web"' in line
    assert load_personas(tmp_path)["b"].card.channels == ("api",)


def test_a_change_keeps_the_rights_of_the_file_and_the_link_to_it(write_persona, tmp_path):
    path = write_persona()
    path.chmod(0o640)
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / "b.yaml"
    link.symlink_to(path)
    assert set_value(link, ("tone",), "warm").id == "b"
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_persona(path).card.tone == "warm"
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.yaml", "linked"}


def test_a_file_that_cannot_be_read_or_written_is_a_problem(tmp_path):
    complaints(set_value, tmp_path / "nowhere.yaml", ("tone",), "x")
