"""The knowledge that XiaoQ ships, asked what customers ask; figures: benchmarks/knowledge.py."""

import csv
from pathlib import Path

import pytest

from core.knowledge.folder import load_documents
from core.knowledge.index import build_index

ROOT = Path(__file__).parents[3]
LINES = Path(__file__).with_name("shop_questions.tsv").read_text(encoding="utf-8").splitlines()
ROWS = list(csv.DictReader((line for line in LINES if line[0] != "#"), delimiter="\t"))


@pytest.fixture(scope="module")
def knowledge():
    passages, problems = load_documents(ROOT / "config/knowledge")
    assert problems == []
    return build_index(passages)


@pytest.fixture(scope="module")
def shop(knowledge):
    return knowledge.within(["shop"])


def ask(index, part: str, language: str, *, on_topic: bool):
    rows = [
        row
        for row in ROWS
        if (row["part"], row["language"], bool(row["titles"])) == (part, language, on_topic)
    ]
    return [(row, index.search(row["question"], 4, language)) for row in rows]


def is_right(row, match) -> bool:
    return match.passage.title.rpartition(" › ")[2] in row["titles"].split("|")


def test_every_title_that_a_question_names_is_there(knowledge):
    titles = {passage.title.rpartition(" › ")[2] for passage in knowledge.passages}
    wanted = {title for row in ROWS for title in row["titles"].split("|") if title}
    assert wanted <= titles


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("part", "found_least", "good_least", "sure_least"),
    [("tune", 0.96, 0.85, 0.38), ("check", 0.93, 0.75, 0.24)],
)
def test_most_questions_are_answered_and_a_sure_answer_is_right(
    shop, language, part, found_least, good_least, sure_least
):
    asked = ask(shop, part, language, on_topic=True)
    found = [any(is_right(row, match) for match in matches) for row, matches in asked]
    good = [bool(matches and matches[0].good) for _, matches in asked]
    sure = [(row, matches[0]) for row, matches in asked if matches and matches[0].sure]
    wrong = [
        (row["question"], match.passage.title) for row, match in sure if not is_right(row, match)
    ]
    assert sum(found) >= found_least * len(asked)
    assert sum(good) >= good_least * len(asked)
    assert len(sure) >= sure_least * len(asked)
    assert len(wrong) <= 0.02 * len(sure), wrong


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_claimed_about_what_is_not_the_business_of_the_shop(shop, language):
    asked = ask(shop, "tune", language, on_topic=False) + ask(
        shop, "check", language, on_topic=False
    )
    good = [row["question"] for row, matches in asked if matches and matches[0].good]
    sure = [row["question"] for row, matches in asked if matches and matches[0].sure]
    assert len(good) <= 0.08 * len(asked), good
    assert len(sure) <= 1, sure


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_question_of_the_faq_leads_to_its_own_answer(shop, language):
    wrong = [
        (question, matches[0].passage.title)
        for passage in shop.passages
        for question in passage.questions
        if passage.path == f"shop/faq.{language}.yaml"
        and (matches := shop.search(question, 1, language))[0].passage is not passage
    ]
    assert wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_similar_parts_are_not_confused(knowledge, language):
    parts = [
        p for p in knowledge.passages if p.path.endswith("parts.csv") and p.language == language
    ]
    repairs = knowledge.within(["repairs"])
    assert len(parts) > 10
    for part in parts:
        match, *_ = repairs.search(part.questions[0], language=language)
        assert match.passage is part
