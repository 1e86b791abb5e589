"""Change one value in a YAML text that people wrote, and not a character besides it.

A round trip through ruamel.yaml's own editor loses a comment behind a list that is replaced and
moves the entries of lists, so the new value is cut into the text at the places of its nodes. The
outcome is read again before it is given back: it differs in that one value or it is refused.
"""

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from config.errors import ConfigError
from config.fields import FieldPath
from config.problems import spoken
from config.yaml import compose, parse_yaml


@dataclass(frozen=True, slots=True)
class _Place:
    """The part of a text that a value takes up."""

    node: Node
    start: int
    end: int
    column: int
    """Of the name before the value, or of the entry of a list."""
    behind_name: int
    """Where the value could begin on the line of its name."""


def replace_value(text: str, key_path: FieldPath, value: object, path: Path) -> str:
    """Give the text with one value changed, or added where its group lacks the name.

    Raises ConfigError where the place does not exist or the text cannot be changed safely; `path`
    only names the text in complaints.
    """
    wanted = _changed(parse_yaml(text, path), key_path, value, path)
    root = compose(text, path)
    if isinstance(root, MappingNode):
        for candidate in _candidates(text, root, key_path, value):
            if _reads_as(candidate, wanted, path):
                return candidate
    where = spoken(key_path)
    raise ConfigError(f"{path}: {where}: cannot be changed by a program; change it by hand")


def _changed(data: Any, key_path: FieldPath, value: object, path: Path) -> Any:  # noqa: ANN401
    """The data as it should be afterwards."""
    if not key_path:
        raise ConfigError(f"{path}: no place is named")
    here = data = deepcopy(data)
    for step in key_path[:-1]:
        if isinstance(here, dict) and here.get(str(step)) is None:
            here[str(step)] = {}
        here = _below(here, step, path)
    if isinstance(here, dict):
        here[str(key_path[-1])] = value
    else:
        _below(here, key_path[-1], path)
        here[key_path[-1]] = value
    return data


def _below(here: Any, step: str | int, path: Path) -> Any:  # noqa: ANN401
    try:
        return here[step]
    except (LookupError, TypeError) as error:
        raise ConfigError(f"{path}: has nothing at {step!r}") from error


def _reads_as(text: str, wanted: object, path: Path) -> bool:
    try:
        return bool(_trimmed(parse_yaml(text, path)) == _trimmed(wanted))
    except ConfigError:
        return False


def _trimmed(data: Any) -> Any:  # noqa: ANN401
    """Without the line breaks at the ends of texts: whether a block text has one is its style."""
    if isinstance(data, dict):
        return {name: _trimmed(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_trimmed(value) for value in data]
    return data.rstrip("\n") if isinstance(data, str) else data


def _candidates(
    text: str,
    root: MappingNode,
    key_path: FieldPath,
    value: object,
) -> Iterator[str]:
    """The changed text in the ways it could be written, the one most like the old first."""
    place = _Place(root, 0, len(text), 0, 0)
    for depth, step in enumerate(key_path):
        below = _find(text, place.node, step)
        if below is None:
            for name in reversed(key_path[depth + 1 :]):
                value = {name: value}
            yield from _insertions(text, place, str(step), value)
            return
        place = below
    yield from _replacements(text, place, value)


def _find(text: str, node: Node, step: str | int) -> _Place | None:
    if isinstance(node, MappingNode):
        found = next(((key, value) for key, value in node.value if key.value == step), None)
        return found and _place_of(text, *found)
    if isinstance(node, SequenceNode) and step in range(len(node.value)):
        entry = node.value[step]
        start = entry.start_mark.index
        return _Place(entry, start, _end(text, entry, start), entry.start_mark.column, start)
    return None


def _place_of(text: str, key: Node, value: Node) -> _Place:
    behind_name = text.index(":", key.end_mark.index) + 1
    start = behind_name if _is_empty(value) else value.start_mark.index
    end = _end(text, value, behind_name)
    return _Place(value, start, end, key.start_mark.column, behind_name)


def _end(text: str, node: Node, behind_name: int) -> int:
    """Where a value really ends: the parser counts comments behind it in."""
    if _is_empty(node):
        return behind_name
    if isinstance(node, ScalarNode):
        return len(text[: node.end_mark.index].rstrip())
    if isinstance(node, CollectionNode) and (node.flow_style or not node.value):
        return int(node.end_mark.index)
    if isinstance(node, MappingNode):
        return _place_of(text, *node.value[-1]).end
    return _end(text, node.value[-1], node.value[-1].start_mark.index)


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None


def _insertions(text: str, group: _Place, name: str, value: object) -> Iterator[str]:
    node = group.node
    entry = f"{name}: {_inline(value)}"
    if _is_empty(node):
        yield from _replacements(text, group, {name: value})
    elif isinstance(node, MappingNode) and node.flow_style:
        at = node.end_mark.index - 1
        yield f"{text[:at]}{', ' if node.value else ''}{entry}{text[at:]}"
    elif isinstance(node, MappingNode):
        at = _line_end(text, _end(text, node, 0))
        yield f"{text[:at]}{_new_line(text, node.start_mark.column)}{entry}{text[at:]}"


def _replacements(text: str, place: _Place, value: object) -> Iterator[str]:
    node, before, behind = place.node, text[: place.start], text[place.end :]
    if isinstance(node, SequenceNode) and not node.flow_style and isinstance(value, list | tuple):
        yield before + _entries(text, node, value) + text[_line_end(text, place.end) :]
    if before.endswith(":"):
        before += " "
    if isinstance(value, str):
        yield from (before + written + behind for written in _like_before(text, place, value))
    yield before + _inline(value) + behind
    if "#" not in text[place.behind_name : place.start]:
        yield f"{text[: place.behind_name]} {_inline(value)}{behind}"


def _like_before(text: str, place: _Place, value: str) -> Iterator[str]:
    """Ways to write a text with the marks that the old one had."""
    style = place.node.style if isinstance(place.node, ScalarNode) else None
    if style == "'" and "\n" not in value:
        yield "'" + value.replace("'", "''") + "'"
    if style == '"':
        yield json.dumps(value, ensure_ascii=False)
    if style in ("|", ">") or "\n" in value:
        old_head = text[place.start : _line_end(text, place.start)]
        head = re.sub(r"^(.)[0-9+]*(-?)[0-9]*", r"\1\2", old_head) if style in ("|", ">") else "|-"
        lines = value.rstrip("\n").replace("\n", "\n\n" if style == ">" else "\n").split("\n")
        begin = _new_line(text, place.column + 2)
        yield head + "".join(begin + line if line else begin.rstrip(" ") for line in lines)


def _entries(text: str, node: SequenceNode, values: Sequence[Any]) -> str:
    """Write a list in lines; an entry that was there keeps its line and the comments with it."""
    begin = _new_line(text, node.start_mark.column)
    old: dict[str, str] = {}
    start = node.start_mark.index
    for entry in node.value:
        end = _line_end(text, _end(text, entry, entry.start_mark.index))
        line = text[start:end] if old else begin + text[start:end]
        old[str(entry.value)] = line
        start = end
    lines = [old.get(str(value)) or f"{begin}- {_inline(value)}" for value in values]
    return "".join(lines).removeprefix(begin)


def _inline(value: object) -> str:
    """Write a value within a line: bare where that is safe, else as JSON, which YAML includes."""
    if isinstance(value, str):
        try:
            if parse_yaml(f"a: {value}\nb: [{value}]", Path()) == {"a": value, "b": [value]}:
                return value
        except ConfigError:
            pass
    return json.dumps(value, ensure_ascii=False)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end - (text[end - 1] == "\r")


def _new_line(text: str, column: int) -> str:
    return ("\r\n" if "\r\n" in text else "\n") + " " * column
