"""Read YAML that people write, and remember on which line each value stands.

Less is understood than YAML allows, so that a file means what it looks like: one document, a group
of names at the top, no anchors, aliases or tags, no name twice. A date stays text.
Complaints go to administrators who are no programmers, as `file:line: what and what to do`.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from _ruamel_yaml import CParser
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from config.errors import ConfigError
from config.fields import FieldPath, is_unicode

MAX_BYTES = 1024 * 1024
"""Larger files are refused."""

_DEEPEST = 20
_TAG = "tag:yaml.org,2002:"
_TYPES = {"null", "bool", "int", "float"}
_KNOWN_TAGS = {_TAG + kind for kind in (*_TYPES, "str", "timestamp", "map", "seq")}
_FULL_WIDTH_COLON = (
    "the colon ： should be a half-width one with a space behind it, as in name: 小Q"
)

# libyaml takes these otherwise than ruamel.yaml: tabs, rare ends of lines, a comment right after |.
_PARSED_DIFFERENTLY = re.compile("[\t\x85\u2028\u2029\ufeff]|[|>][-+0-9]*#")

# The parser's own words (ruamel.yaml 0.19), and what they mean to somebody who edits a text.
_REASONS = {
    r"character '\t'": "a tab stands here; indent with spaces",
    "mapping values are not allowed": 'a second ": " stands in this line, or the line is indented '
    "too far; put a text with a colon in quotation marks",
    "could not find expected ':'": 'a ": " is missing after a name, here or on the line before',
    "unexpected end of stream": "a quotation mark is opened here and never closed",
    "undefined alias": "a text that begins with * should stand in quotation marks",
    "unknown escape character": "a backslash in double quotation marks should be written twice",
    "expected <block end>": "the text or the indentation does not fit the lines above",
    "expected ',' or": "a [ or { is opened here and not closed, or a comma is missing in it",
    "cannot start any token": "a text that begins with this character should stand in quotation "
    "marks",
    "another document": "a second document begins here; remove the line of hyphens",
    "sequence entries are not allowed": 'a list entry ("- ") should begin on a line of its own',
    "while scanning a block scalar": "nothing else should stand in the line after | or >; a text "
    "that begins with one of them should stand in quotation marks",
    "while scanning an anchor": "a text that begins with & should stand in quotation marks",
    "while parsing an tag": "a text that begins with ! should stand in quotation marks",
}
_UNCLEAR = "cannot be read as YAML; check quotation marks, colons and indentation"
# The parser notices these only behind the place where the mistake is.
_NOTICED_LATE = ("unexpected end of stream", "expected ',' or", "could not find expected ':'")


class YamlMap(dict[str, Any]):
    """A group of named values that knows on which line each name stands."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str | int, int] = {}


class YamlList(list[Any]):
    """A list that knows on which line each entry begins."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str | int, int] = {}


def load_yaml(path: Path) -> YamlMap:
    """Read a file of at most 1 MiB; raise ConfigError with one line for each problem.

    A file with nothing but comments is an empty group.
    """
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: Path) -> YamlMap:
    """Like `load_yaml`, of a text already read; `path` only names it in complaints."""
    root = _compose_plain(text) or compose(text, path)
    if root is None or root.tag == f"{_TAG}null":
        return YamlMap(line=1)
    builder = _Builder()
    data = builder.group(root) if isinstance(root, MappingNode) else YamlMap(line=1)
    problems = sorted(builder.problems)
    if not isinstance(root, MappingNode):
        form = 'the file should consist of lines "name: value"'
        problems = [(_line(root), _FULL_WIDTH_COLON if _has_full_width_colon(text) else form)]
    if problems:
        raise ConfigError("\n".join(f"{path}:{line}: {reason}" for line, reason in problems))
    return data


def position(data: YamlMap, path: FieldPath) -> int:
    """The line of a value, or of the innermost group around it that is there; the first is 1."""
    here, line = data, data.line
    for step in path:
        if not isinstance(here, YamlMap | YamlList) or step not in here.lines:
            break
        line = here.lines[step]
        here = here[step]  # type: ignore[index]  # a name for a group, a number for a list
    return line


def read_text(path: Path) -> str:
    """Read a UTF-8 file of at most 1 MiB; raise ConfigError where it is none."""
    if not os.path.isfile(path):
        state = "is no file" if os.path.exists(path) else "does not exist"
        raise ConfigError(f"{path}: {state}; it should be a text file")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 1 MiB; split it into smaller files")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f'{path}:{line}: is not UTF-8; save the file again as "UTF-8"') from error


def compose(text: str, path: Path) -> Node | None:
    """Parse into nodes that know their places; raise ConfigError with line, column and reason."""
    try:
        root: Node | None = _reader().compose(text)
    except MarkedYAMLError as error:
        raise ConfigError(f"{path}:{_explain(error, text)}") from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = f"U+{error.character:04X}"
        reason = f"an invisible control character ({code}) stands here; delete it"
        raise ConfigError(f"{path}:{line}: {reason}") from error
    except YAMLError as error:
        raise ConfigError(f"{path}: {_UNCLEAR}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: has groups inside groups too deep to read") from error
    return root


def _compose_plain(text: str) -> Node | None:
    """Like `compose`, five times faster; None where libyaml does not take the text.

    Only its parser is used: its composer is recursive C, and deep nesting ends the process.
    """
    if _PARSED_DIFFERENTLY.search(text):
        return None
    reader = _reader()
    reader.Parser = lambda loader: CParser(text)  # noqa: ARG005 - the name it is called with
    with suppress(YAMLError, RecursionError):
        root: Node | None = reader.compose(text)
        return root
    return None


def _reader() -> YAML:
    reader = YAML(typ="safe", pure=True)
    reader.composer.warn_double_anchors = False  # every anchor is refused anyway
    return reader


class _Builder:
    """Makes plain values of nodes and collects what XiaoQ does not take."""

    def __init__(self) -> None:
        self.problems: set[tuple[int, str]] = set()
        self._construct = _reader().constructor.construct_object

    def group(self, node: MappingNode, depth: int = 0) -> YamlMap:
        """Make a group, each of its names once."""
        group = YamlMap(_line(node))
        for key, value in node.value:
            name = self._name(key)
            if name in group.lines:
                first = group.lines[name]
                self._complain(key, f'"{name}" already stands on line {first}; keep one of the two')
            group.lines[name] = _line(key)
            group[name] = self._value(value, depth + 1)
        return group

    def _list(self, node: SequenceNode, depth: int) -> YamlList:
        entries = YamlList(_line(node))
        for number, entry in enumerate(node.value):
            entries.lines[number] = _line(entry)
            entries.append(self._value(entry, depth + 1))
        return entries

    def _name(self, key: Node) -> str:
        if not isinstance(key, ScalarNode) or not key.value:
            self._complain(key, "a name is missing before the colon")
            return ""
        if key.tag == f"{_TAG}merge":
            self._complain(key, "<< is not understood; write the values out")
        return str(key.value)

    def _value(self, node: Node, depth: int) -> Any:  # noqa: ANN401 - YAML enters here
        if node.anchor:
            self._complain(node, "a text that begins with & should stand in quotation marks")
        elif node.tag not in _KNOWN_TAGS:
            self._complain(node, "a text that begins with ! should stand in quotation marks")
        elif depth > _DEEPEST:
            self._complain(node, f"groups stand inside groups more than {_DEEPEST} deep")
        elif isinstance(node, ScalarNode):
            return self._scalar(node)
        elif isinstance(node, MappingNode):
            return self.group(node, depth)
        elif isinstance(node, SequenceNode):
            return self._list(node, depth)
        return None

    def _scalar(self, node: ScalarNode) -> Any:  # noqa: ANN401 - YAML enters here
        if not is_unicode(node.value):
            self._complain(node, r"half a character (\ud800 to \udfff) stands here; delete it")
        if (node.tag or "").removeprefix(_TAG) not in _TYPES:
            return node.value
        try:
            return self._construct(node)
        except (ValueError, KeyError):  # digits beyond int(), or a tag that does not fit
            return node.value

    def _complain(self, node: Node, reason: str) -> None:
        self.problems.add((_line(node), reason))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _explain(error: MarkedYAMLError, text: str) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    late = any(words in said for words in _NOTICED_LATE) and error.context_mark
    mark = error.context_mark if late else error.problem_mark or error.context_mark
    reason = next((plain for words, plain in _REASONS.items() if words in said), _UNCLEAR)
    if _has_full_width_colon("".join(text.splitlines()[mark.line : mark.line + 1])):
        reason = _FULL_WIDTH_COLON
    return f"{mark.line + 1}:{mark.column + 1}: {reason}"


def _has_full_width_colon(text: str) -> bool:
    """Whether a full-width colon stands where YAML needs its own."""
    return "：" in text and not re.search(r":(\s|$)", text)
