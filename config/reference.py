"""Write the settings down for people: `python -m config.reference`.

The example file and the table in README come from the settings themselves; tests hold the
committed ones against what this module makes.
"""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pydantic import AnyHttpUrl, AnyWebsocketUrl, BaseModel
from pydantic.fields import FieldInfo

from config.fields import Leaf, Spot, leaves
from config.loading import CONFIG, variable
from config.settings import Settings

EXAMPLE = Path(__file__).with_name("xiaoq.example.yaml")
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"

_UNITS = {"seconds", "hours", "bytes", "tokens"}
_WIDTH = 96
_INTRODUCTION = f"""\
Every setting of XiaoQ with its default. Made by `python -m config.reference`; do not edit.
To use it, copy this file, set {CONFIG} to the path of the copy, and delete the one # at the
beginning of each line you want to change; keep the line of its group (such as http:), too.
Each setting can also come from the environment variable named with it, or from a file of that
name in /run/secrets. The environment goes before the files, the files before this one."""


def example_text() -> str:
    """The example file: every line commented out by one # in front."""
    lines = [*_comment(_INTRODUCTION), ""]
    for name, field in Settings.model_fields.items():
        spot = Spot.of_field(field)
        group = spot.model or spot.account
        if group:
            lines += [*_comment(group.__doc__ or ""), *_comment(_several(spot)), f"{name}:"]
            for leaf in leaves(group, (name,)):
                lines += [f"  {line}" for line in _entry(leaf)]
        else:
            lines += _entry(Leaf((name,), field, spot))
        lines.append("")
    return "".join(f"#{line}\n" if line else "\n" for line in lines).rstrip("\n") + "\n"


def settings_table() -> str:
    """The settings as a Markdown table, one row each; entries of lists have rows of their own."""
    rows = [("setting", "meaning", "should be", "default"), ("---", "---", "---", "---")]
    for leaf in leaves(Settings):
        name = f"`{variable(leaf.path)}`"
        rows.append(
            (name, leaf.field.description or "", _should(leaf), f"`{_default(leaf.field)}`")
        )
        for inner in _entry_leaves(leaf.spot):
            default = "needed" if inner.field.is_required() else f"`{_default(inner.field)}`"
            what = inner.field.description or ""
            rows.append((f"… `{inner.path[0]}` of an entry", what, _should(inner), default))
    cells = (" | ".join(cell.replace("|", "\\|") or " " for cell in row) for row in rows)
    return "".join(f"| {line} |\n" for line in cells)


def readme_with_table(readme: str) -> str:
    """Put the table between the markers of a README; without markers it stays as it is."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return readme
    return f"{before}{BEGIN}\n{settings_table()}{END}{after}"


def write_reference(example: Path = EXAMPLE, readme: Path = README) -> None:
    """Write the example file, and the table into the README if that has the markers."""
    example.write_text(example_text(), encoding="utf-8")
    if readme.is_file():
        text = readme.read_text(encoding="utf-8")
        readme.write_text(readme_with_table(text), encoding="utf-8")


def _entry(leaf: Leaf) -> Iterator[str]:
    """One setting: what it means, what it should be, its variable, and the line that sets it."""
    yield from _comment(leaf.field.description or "")
    yield from _comment(f"Should be {_should(leaf)}. {variable(leaf.path)}")
    for inner in _entry_leaves(leaf.spot):
        rule = "needed" if inner.field.is_required() else f"default {_default(inner.field)}"
        text = f"  {inner.path[0]}: {inner.field.description} Should be {_should(inner)}; {rule}."
        yield from _comment(text)
    default = _default(leaf.field)
    yield f"{leaf.path[-1]}: {default}" if default != "unset" else f"{leaf.path[-1]}:"


def _several(spot: Spot) -> str:
    return (
        "One account; for several write a list: each entry begins with -." if spot.account else ""
    )


def _entry_leaves(spot: Spot) -> list[Leaf]:
    model: type[BaseModel] | None = spot.item.model if spot.item else None
    return list(leaves(model)) if model else []


def _should(leaf: Leaf) -> str:
    unit = leaf.path[-1].rpartition("_")[2]
    return f"{leaf.spot.should}, in {unit}" if unit in _UNITS else leaf.spot.should


def _default(field: FieldInfo) -> str:
    if field.default is None or field.is_required() or field.default == "":
        return "unset"
    if isinstance(field.default, str | Path | AnyHttpUrl | AnyWebsocketUrl):
        return str(field.default)
    return json.dumps(field.default)


def _comment(text: str) -> Iterator[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    for line in textwrap.wrap(" ".join(text.split()), _WIDTH - len(indent)):
        yield f"# {indent}{line}"


if __name__ == "__main__":
    write_reference()
