import pytest

from config.fields import leaves
from config.loading import load_settings, variable
from config.reference import (
    BEGIN,
    END,
    EXAMPLE,
    README,
    example_text,
    readme_with_table,
    settings_table,
    write_reference,
)
from config.settings import Settings

AGAIN = "run `python -m config.reference`"


def test_the_committed_example_is_up_to_date():
    assert EXAMPLE.read_text(encoding="utf-8") == example_text(), AGAIN


def test_the_table_in_the_readme_is_up_to_date():
    if not README.is_file() or BEGIN not in README.read_text(encoding="utf-8"):
        pytest.skip("README.md has no markers for the table of settings")
    readme = README.read_text(encoding="utf-8")
    assert readme == readme_with_table(readme), AGAIN


def test_every_line_of_the_example_is_commented_out():
    assert all(line.startswith("#") for line in example_text().splitlines() if line)


def test_the_example_with_every_line_in_force_is_the_defaults(tmp_path, monkeypatch):
    for name in ("personas", "knowledge", "words"):
        (tmp_path / "config" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    lines = [line.removeprefix("#") for line in example_text().splitlines()]
    (tmp_path / "all.yaml").write_text("\n".join(lines), encoding="utf-8")
    assert load_settings({"XIAOQ_CONFIG": "all.yaml"}, tmp_path / "secrets") == Settings()
    assert len([line for line in lines if line.lstrip() and "#" not in line]) == len(
        Settings.model_fields
    ) - 4 + len(list(leaves(Settings)))


def test_example_and_table_name_every_variable():
    for text in (example_text(), settings_table()):
        assert [leaf.path for leaf in leaves(Settings) if variable(leaf.path) not in text] == []


def test_example_and_table_give_meaning_bounds_unit_and_default():
    example = example_text()
    assert (
        "#  # Longest wait for a free place.\n"
        "#  # Should be a number above 0 and at most 86400, in seconds. "
        "XIAOQ_INFERENCE__QUEUE_SECONDS\n"
        "#  queue_seconds: 10.0\n"
    ) in example
    row = "| `XIAOQ_HTTP__PORT` | Port to listen on. | a whole number from 1 to 65535 | `8080` |\n"
    assert row in settings_table()


def test_the_table_is_put_between_the_markers_and_nothing_else_changes():
    readme = f"# A\n{BEGIN}\nold\n{END}\n# B\n"
    assert readme_with_table(readme) == f"# A\n{BEGIN}\n{settings_table()}{END}\n# B\n"
    assert readme_with_table("# A\n") == "# A\n"
    assert readme_with_table(f"{END} {BEGIN}") == f"{END} {BEGIN}"


def test_writing_makes_the_example_and_leaves_a_readme_without_markers(tmp_path):
    example, readme = tmp_path / "example.yaml", tmp_path / "README.md"
    write_reference(example, readme)
    assert example.read_text(encoding="utf-8") == example_text()
    assert not readme.exists()
    readme.write_text("# A\n", encoding="utf-8")
    write_reference(example, readme)
    assert readme.read_text(encoding="utf-8") == "# A\n"
