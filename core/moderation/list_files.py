"""The files of word lists, one category each, as administrators write them.

`abuse.yaml` has `action` (refuse or mask) and `words`, and if wanted `category` (otherwise the
file's name), `description` and `allow`: phrases in which a hit does not count. `weapons.tsv` is for
long lists: a word a line, behind a tab its language if it is neither Chinese nor English; its words
are refused. Complaints are lines `file:line: what and what to do`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from config.card import Category as CategoryName
from config.errors import ConfigError
from config.fields import Should, Values
from config.problems import one_line, parse, shown, spoken
from config.yaml import YamlMap, load_yaml, position

TSV_MAX_BYTES = 16 * 1024 * 1024
"""Larger `.tsv` files are refused; `.yaml` files may have 1 MiB."""

_SUFFIXES = (".yaml", ".yml", ".tsv")
_MISTAKEN = (".txt", ".csv", ".json")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NAME: TypeAdapter[str] = TypeAdapter(CategoryName)
_Texts = tuple[Annotated[str, Should("text")], ...]


class Entry(NamedTuple):
    """A word or phrase, and the line on which it stands."""

    text: str
    language: str
    line: int


@dataclass(frozen=True, slots=True)
class ListFile:
    """What stands in one file."""

    path: Path
    category: str
    description: str
    action: Literal["refuse", "mask"]
    words: Sequence[Entry]
    allow: Sequence[Entry]


class _Content(Values):
    """The names in a YAML file."""

    category: CategoryName | None = None
    description: str = ""
    action: Literal["refuse", "mask"]
    words: Annotated[_Texts, Field(min_length=1), Should("a list with one word or more")]
    allow: _Texts = ()


def list_paths(folder: Path) -> list[Path]:
    """The word lists of a folder. Names that begin with a dot, and other kinds of files, are not
    looked at; what was probably meant for a list raises ConfigError.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be listed: {error.strerror}") from error
    for path in paths:
        if path.suffix in _MISTAKEN:
            raise ConfigError(f"{path}: is no word list; its name should end in .yaml or .tsv")
    return [path for path in paths if path.suffix in _SUFFIXES]


def read_list(path: Path) -> ListFile:
    """Read a file; raise ConfigError with a line for each problem."""
    return _read_tsv(path) if path.suffix == ".tsv" else _read_yaml(path)


def _read_yaml(path: Path) -> ListFile:
    data = load_yaml(path)
    content, problems = parse(_Content, data)
    if content is None:
        raise ConfigError(
            "\n".join(
                one_line(f"{path}:{position(data, it.at)}", spoken(it.path), it.text)
                for it in problems
            )
        )
    return ListFile(
        path,
        content.category or _name(path),
        content.description,
        content.action,
        _entries(data, "words", content.words),
        _entries(data, "allow", content.allow),
    )


def _entries(data: YamlMap, name: str, texts: _Texts) -> list[Entry]:
    return [Entry(text, "", position(data, (name, at))) for at, text in enumerate(texts)]


def _read_tsv(path: Path) -> ListFile:
    words = list(_rows(path, _read(path)))
    if not words:
        raise ConfigError(f"{path}: has no word; there should be one a line")
    return ListFile(path, _name(path), "", "refuse", words, ())


def _rows(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        word, tab, language = line.partition("\t")
        if not line.strip() or line.startswith("#"):
            continue
        if tab and not _LANGUAGE.fullmatch(language.strip()):
            reason = f"behind the tab stands {shown(language)}, should be a language such as fr"
            raise ConfigError(one_line(f"{path}:{number}", reason))
        yield Entry(word.strip(), language.strip(), number)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(TSV_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > TSV_MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 16 MiB; split it into smaller files")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f'{path}:{line}: is not UTF-8; save the file again as "UTF-8"') from error


def _name(path: Path) -> str:
    """The category that a file's name gives."""
    try:
        return _NAME.validate_python(path.stem)
    except ValidationError as error:
        reason = "the file should be called like its category, such as abuse, in small letters"
        raise ConfigError(f"{path}: {reason}") from error
