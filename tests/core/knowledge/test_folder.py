import os
from pathlib import Path

import pytest

from core.knowledge.folder import MAX_FILE_BYTES, find_files, join, load_documents, load_file

FAQ = "question,answer\n怎么退货？,七天内可以退货。\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_kind_of_file_is_read_from_every_folder(tmp_path):
    write(tmp_path, "shop/faq.yaml", "- question: a?\n  answer: from yaml\n")
    write(tmp_path, "shop/more.yml", "- question: a?\n  answer: from yml\n")
    write(tmp_path, "shop/deep/er/faq.csv", "question,answer\na?,from csv\n")
    write(tmp_path, "manual.MD", "# M\n\nfrom markdown")
    write(tmp_path, "notes.txt", "from text")
    write(tmp_path, "picture.png", b"\x89PNG")
    passages, problems = load_documents(tmp_path)
    assert {(passage.path, passage.text) for passage in passages} == {
        ("shop/faq.yaml", "from yaml"),
        ("shop/more.yml", "from yml"),
        ("shop/deep/er/faq.csv", "from csv"),
        ("manual.MD", "from markdown"),
        ("notes.txt", "from text"),
    }
    assert problems == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_may_have_any_encoding_that_spreadsheets_in_china_write(tmp_path, encoding):
    write(tmp_path, "faq.csv", FAQ.encode(encoding))
    (passage,), problems = load_documents(tmp_path)
    assert (passage.questions, passage.text) == (("怎么退货？",), "七天内可以退货。")
    assert problems == []


@pytest.mark.parametrize(
    "content",
    [
        "question,answer\nWie läuft die Rückgabe?,Über die Bestellseite\n".encode("cp1252"),
        FAQ.encode("utf-16"),
        b"question,answer\na?,b\0c\n",
        b"\xff\xfe\xfa",
    ],
)
def test_other_encodings_are_named_instead_of_shown_to_customers(tmp_path, content):
    path = write(tmp_path, "faq.csv", content)
    assert load_documents(tmp_path) == (
        (),
        [f'{path}: is no text in UTF-8; save it again as "UTF-8"'],
    )


def test_a_broken_file_does_not_take_the_others_down(tmp_path):
    broken = write(tmp_path, "a.yaml", "entries:\n  - question: [\n")
    write(tmp_path, "b.csv", FAQ)
    (passage,), (problem,) = load_documents(tmp_path)
    assert passage.path == "b.csv"
    assert problem.startswith(f"{broken}:")


def test_a_document_that_cannot_be_read_is_named_and_a_picture_is_not(tmp_path):
    path = write(tmp_path, "terms.pdf", b"%PDF")
    write(tmp_path, "logo.svg", "<svg/>")
    passages, (problem,) = load_documents(tmp_path)
    assert passages == ()
    assert problem.startswith(f"{path}: this kind of file is not read")


def test_a_file_that_is_too_large_is_named(tmp_path):
    path = write(tmp_path, "big.txt", b"a" * (MAX_FILE_BYTES + 1))
    assert load_documents(tmp_path) == (
        (),
        [f"{path}: is larger than 5 MiB; split it into smaller files"],
    )


def test_a_file_that_may_not_be_opened_is_named(tmp_path):
    gone = tmp_path / "gone.md"
    assert load_file(gone, tmp_path) == ((), [f"{gone}: cannot be read: No such file or directory"])


def test_more_passages_than_the_limit_are_cut_and_said(tmp_path):
    write(tmp_path, "a.csv", "question,answer\n" + "".join(f"q{n}?,a{n}\n" for n in range(5)))
    loaded = [load_file(path, tmp_path) for path in find_files(tmp_path)]
    passages, (problem,) = join(loaded, tmp_path, 3)
    assert [passage.text for passage in passages] == ["a0", "a1", "a2"]
    assert problem.startswith(f"{tmp_path}: holds 5 passages, of which the first 3 are used")
    assert join(loaded, tmp_path, 5) == (loaded[0][0], [])


def test_hidden_files_and_folders_are_left_out(tmp_path):
    write(tmp_path, ".git/readme.md", "# no")
    write(tmp_path, ".draft.md", "# no")
    write(tmp_path, "yes.md", "yes")
    assert [path.name for path in find_files(tmp_path)] == ["yes.md"]


def test_a_mounted_config_map_is_read_once(tmp_path):
    write(tmp_path, "..2026/faq.csv", FAQ)
    os.symlink("..2026", tmp_path / "..data")
    os.symlink("..data/faq.csv", tmp_path / "faq.csv")
    (passage,), problems = load_documents(tmp_path)
    assert (passage.path, problems) == ("faq.csv", [])


def test_a_link_to_a_folder_is_followed_and_a_circle_is_not(tmp_path):
    write(tmp_path, "real/a.md", "text")
    elsewhere = tmp_path / "knowledge"
    elsewhere.mkdir()
    os.symlink(tmp_path / "real", elsewhere / "shop")
    os.symlink(elsewhere, tmp_path / "real" / "back")
    assert [path.relative_to(elsewhere).as_posix() for path in find_files(elsewhere)] == [
        "shop/a.md"
    ]
