"""Questions with known answers: public data sets, and the sample shop.

The public sets are read from ../shared/data beside the project.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.knowledge.documents import Passage
from core.knowledge.folder import load_documents
from core.knowledge.index import Index, build_index

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared/data"
SHOP_QUESTIONS = ROOT / "tests/core/knowledge/shop_questions.tsv"
FAQ_PER_INTENT = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A question, its language, and what answers it: paths, titles or headings; none = nothing."""

    question: str
    language: str
    right: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Task:
    """Questions to an index."""

    name: str
    index: Index
    cases: list[Case]
    before: str = ""
    """R@1 and R@5 of BM25 engines compared earlier, on the other halves of the sets."""


def tasks(load: Callable[[], Iterable[Task]]) -> Iterator[Task]:
    """What a loader gives; a line says so where a set is absent."""
    try:
        yield from load()
    except FileNotFoundError as error:
        print(f"{load.__name__}: left out, {error.filename} is absent")


def banking77() -> Iterator[Task]:
    """Bank customers' questions: 77 intents, each a FAQ entry with some 117 questions."""
    yield _intents("banking77, intents as FAQ", "banking77", None, ".794 .934")


def banking77_sparse() -> Iterator[Task]:
    """The same with few questions an intent, as a real FAQ has."""
    name = f"banking77, {FAQ_PER_INTENT} questions an intent"
    yield _intents(name, "banking77", FAQ_PER_INTENT)


def clinc150() -> Iterator[Task]:
    """150 intents of an assistant, and questions outside of them."""
    yield _intents("clinc150, intents as FAQ", "clinc150", None)


def _intents(name: str, folder: str, most: int | None, before: str = "") -> Task:
    asked: dict[str, list[str]] = defaultdict(list)
    for row in _rows(f"{folder}/train.jsonl"):
        asked[row["intent"]].append(row["text"])
    asked.pop("oos", None)
    passages = [
        Passage(f"answer to {intent}", intent, intent, "en", questions=tuple(questions[:most]))
        for intent, questions in asked.items()
    ]
    cases = [
        Case(row["text"], "en", frozenset({row["intent"]} & asked.keys()))
        for row in _rows(f"{folder}/dev.jsonl")
    ]
    return Task(name, build_index(passages), cases, before)


def cmrc() -> Iterator[Task]:
    """Chinese encyclopedia, simplified characters."""
    yield _reading("cmrc2018", "cmrc2018", ".962 .997")


def drcd() -> Iterator[Task]:
    """Chinese encyclopedia, traditional characters."""
    yield _reading("drcd (traditional characters)", "drcd", ".944 .993")


def _reading(name: str, folder: str, before: str) -> Task:
    passages = [
        Passage(row["text"], row["title"], row["id"], "zh")
        for row in _rows(f"{folder}/passages.jsonl")
    ]
    cases = [
        Case(row["question"], "zh", frozenset([row["passage"]]))
        for row in _rows(f"{folder}/questions.jsonl")
    ]
    return Task(name, build_index(passages), cases, before)


def product_faq() -> Iterator[Task]:
    """FAQ of a Chinese software: find the answer, the question is not indexed."""
    rows = _rows("zh_product_faq/faq.jsonl")
    index = build_index([Passage(row["answer"], "", row["id"], "zh") for row in rows])
    cases = [Case(row["question"], "zh", frozenset([row["id"]])) for row in rows]
    yield Task("zh_product_faq, question to answer", index, cases, ".612 .803")


def xquad() -> Iterator[Task]:
    """The same passages in two languages: find the one in the language of the question."""
    passages = [
        Passage(row["text"], "", f"{row['lang']}{row['group']}", row["lang"])
        for row in _rows("xquad/passages.jsonl")
    ]
    cases = [
        Case(row["question"], row["lang"], frozenset([f"{row['lang']}{row['group']}"]))
        for row in _rows("xquad/questions.jsonl")
        if row["lang"] in ("en", "zh")
    ]
    yield Task("xquad, English and Chinese mixed", build_index(passages), cases)


def tuned() -> Iterator[Task]:
    """The sample shop, with the questions that the thresholds were chosen by."""
    return _shop("tune", "sample shop, tuned on")


def fresh() -> Iterator[Task]:
    """The sample shop, with questions written afterwards."""
    return _shop("check", "sample shop, fresh")


def _shop(part: str, name: str) -> Iterator[Task]:
    lines = [line for line in SHOP_QUESTIONS.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    for language in ("zh", "en"):
        cases = [
            Case(row["question"], language, frozenset(filter(None, row["titles"].split("|"))))
            for row in rows
            if (row["part"], row["language"]) == (part, language)
        ]
        yield Task(f"{name}, {language}", _shop_index(), cases)


def off_topic() -> Iterator[Task]:
    """Questions of other worlds to the sample shop."""
    chinese = _rows("cmrc2018/questions.jsonl") + _rows("zh_product_faq/faq.jsonl")
    cases = [Case(row["question"], "zh") for row in chinese]
    yield Task("encyclopedia and software, zh", _shop_index(), cases)
    cases = [Case(row["text"], "en") for row in _rows("clinc150/dev.jsonl")]
    yield Task("clinc150 to the shop, en", _shop_index(), cases)


def _shop_index() -> Index:
    return build_index(load_documents(ROOT / "config/knowledge")[0]).within(["shop"])


def _rows(name: str) -> list[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
