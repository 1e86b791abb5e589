"""Read FAQ files: YAML, and CSV as spreadsheet programs write it.

A wrong entry becomes a line for the administrator, `file:line: what and what to do`, and the other
entries are taken.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from config.errors import ConfigError
from config.fields import FieldPath, Should, Values
from config.problems import one_line, parse, spoken
from config.yaml import YamlMap, parse_yaml, position
from core.knowledge.documents import Passage, file_language
from core.language import script_language

COLUMNS: Final = {
    "question": ("question", "questions", "问题"),
    "answer": ("answer", "答案"),
    "language": ("language", "语言"),
    "line": ("line", "业务线"),
    "title": ("title", "标题"),
}
"""What the columns of a CSV file may be called; only the first two are needed."""
BETWEEN_QUESTIONS: Final = "|"
"""Stands between several questions in one cell of a CSV file."""

_COLUMN: Final = {header: column for column, headers in COLUMNS.items() for header in headers}
_PLACE: Final = re.compile(r":(\d+)(?=[: ])")

Language = Annotated[
    str,
    Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$"),
    Should("a language code such as zh or en"),
]


class Head(Values):
    """What holds for every entry of a file that does not say otherwise."""

    line: str = ""
    language: Language | None = None


class Entry(Values):
    """One answer and the ways to ask for it."""

    question: str | None = None
    questions: tuple[str, ...] = ()
    answer: str
    title: str | None = None
    language: Language | None = None
    line: str | None = None


@dataclass(slots=True)
class FaqFile:
    """A FAQ file while it is read: what was found, and what is wrong with it."""

    path: str
    """Relative to the knowledge folder."""
    shown: Path
    """As it stands in complaints."""
    passages: list[Passage]
    problems: list[str]

    def add(self, number: int, given: Mapping[str, Any], head: Head) -> tuple[FieldPath, str] | None:
        """Take an entry, or say what is wrong with it."""
