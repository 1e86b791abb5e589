"""Read FAQ files: YAML, and CSV as spreadsheet programs write it.

A wrong entry becomes a line for the administrator, `file:line: what and what to do`, and the other
entries are taken.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from config.errors import ConfigError
from config.fields import FieldPath, Should, Values
from config.problems import Problem, one_line, parse, shown, spoken
from config.yaml import YamlList, YamlMap, parse_yaml, position
from core.knowledge.documents import Passage, file_language
from core.language import script_language

COLUMNS: Final = {
    "question": ("question", "questions", "问题"),
    "answer": ("answer", "答案"),
    "language": ("language", "语言"),
    "line": ("line", "业务线"),
    "title": ("title", "标题"),
}
"""What the columns of a CSV file may be called; the first two are needed."""
BETWEEN_QUESTIONS: Final = "|"
"""Stands between several questions in one cell of a CSV file."""

Faq = tuple[list[Passage], list[str]]
"""Entries of a FAQ, and a line for each problem."""

_COLUMN: Final = {header: column for column, headers in COLUMNS.items() for header in headers}
_DELIMITERS: Final = ",;\t"
# A text that begins with a list entry, after comments.
_LIST: Final = re.compile(r"(?:[ \t]*(?:#.*)?\n)*- ")
_ENTRIES: Final = "entries"

Language = Annotated[
    str,
    Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$"),
    Should("a language code such as zh or en"),
]


class Head(Values):
    """What holds for every entry of a file that does not say otherwise."""

    line: str | None = None
    language: Language | None = None


class Entry(Head):
    """One answer, and the ways to ask for it."""

    question: str | None = None
    questions: tuple[str, ...] = ()
    answer: str
    title: str | None = None


def parse_yaml_faq(text: str, path: str, file: Path) -> Faq:
    """Read a list of entries, or a group of `line`, `language` and `entries`.

    `path` is relative to the knowledge folder; `file` names it in complaints.
    """
    # A list may stand alone; the name it lacks is then put on a line of its own above it.
    above = 1 if _LIST.match(text) else 0
    try:
        data = parse_yaml(f"{_ENTRIES}:\n" * above + text, file)
    except ConfigError as error:
        return [], [_moved(line, file, above) for line in str(error).splitlines()]
    passages, problems = _take_all(data, path)
    return passages, [
        one_line(f"{file}:{position(data, problem.at) - above}", spoken(problem.path), problem.text)
        for problem in problems
    ]


def parse_csv_faq(text: str, path: str, file: Path) -> Faq:
    """Read a table with the columns `question` and `answer`, perhaps also others of `COLUMNS`."""
    passages: list[Passage] = []
    problems: list[str] = []
    try:
        rows = _rows(text)
        _, header = next(rows, (1, []))
        columns = [_COLUMN.get(name.strip().lower(), "") for name in header]
        if "question" not in columns or "answer" not in columns:
            return [], [f"{file}:1: the first line should name the columns: question,answer"]
        for line, row in rows:
            passage, wrong = _take_row(columns, row, path)
            passages += passage
            problems += [one_line(f"{file}:{line}", spoken(p.path), p.text) for p in wrong]
    except ConfigError as error:
        problems.append(f"{file}:{error}")
    return passages, problems


def _take_all(data: YamlMap, path: str) -> tuple[list[Passage], list[Problem]]:
    head, problems = parse(Head, {name: data[name] for name in data if name != _ENTRIES})
    entries = data.get(_ENTRIES)
    if not isinstance(entries, YamlList):
        text = f"holds {shown(entries)}, should be a list of questions and answers"
        return [], [*problems, Problem((_ENTRIES,), (_ENTRIES,), text)]
    passages: list[Passage] = []
    for number, given in enumerate(entries):
        passage, wrong = _take(given, head or Head(), path)
        passages += passage
        problems += [_below((_ENTRIES, number), problem) for problem in wrong]
    return passages, problems


def _take(given: object, head: Head, path: str) -> tuple[list[Passage], list[Problem]]:
    """The passage of an entry, or what is wrong with it."""
    if not isinstance(given, Mapping):
        return [], [Problem((), (), f"holds {shown(given)}, should be a question and an answer")]
    entry, problems = parse(Entry, given)
    if entry is None:
        return [], problems
    asked = (entry.question, *entry.questions)
    questions = tuple(question.strip() for question in asked if question)
    if not questions:
        return [], [Problem((), (), "has no question; add one under question or questions")]
    language = entry.language or head.language or file_language(path)
    return [
        Passage(
            text=entry.answer.strip(),
            title=entry.title or questions[0],
            path=path,
            language=language or script_language("\n".join(questions)),
            line=entry.line or head.line or "",
            questions=questions,
        )
    ], []


def _take_row(columns: list[str], row: list[str], path: str) -> tuple[list[Passage], list[Problem]]:
    if any(cell.strip() for cell in row[len(columns) :]):
        reason = "has more cells than the first line; text with commas needs quotation marks"
        return [], [Problem((), (), reason)]
    cells: dict[str, Any] = {
        column: cell.strip() for column, cell in zip(columns, row, strict=False) if cell.strip()
    }
    cells.pop("", None)
    asked = str(cells.pop("question", "")).split(BETWEEN_QUESTIONS)
    cells["questions"] = [question for question in asked if question.strip()]
    return _take(cells, Head(), path)


def _below(above: FieldPath, problem: Problem) -> Problem:
    return Problem(above + problem.at, above + problem.path, problem.text)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it begins."""
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                yield line, row
            line = rows.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{line}: is no CSV ({error}); check its quotation marks") from error


def _moved(line: str, file: Path, above: int) -> str:
    """Correct the line number in a complaint for the lines that were put above the text."""
    name, rest = str(file), line.removeprefix(f"{file}:")
    number, mark, text = rest.partition(":")
    return f"{name}:{int(number) - above}{mark}{text}" if number.isdigit() else line
