"""Word lists written for a test, and matchers of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from core.moderation.matcher import Matcher
from core.moderation.normalise import Normaliser
from core.moderation.terms import make_term

MakeMatcher = Callable[..., Matcher]

# For a long run: pytest tests/core/moderation --hypothesis-profile thorough
settings.register_profile("thorough", max_examples=20_000, deadline=None)


@pytest.fixture(scope="session")
def normaliser() -> Normaliser:
    return Normaliser()


@pytest.fixture(scope="session")
def make_matcher(normaliser: Normaliser) -> MakeMatcher:
    """`make_matcher(*refused, mask=(...), log=(...), allow=(...), language="")`."""

    def make(*refuse: str, mask=(), log=(), allow=(), language="") -> Matcher:
        words = {"refused": refuse, "masked": mask, "logged": log}
        terms = [
            make_term(normaliser, word, category, language=language)
            for category, listed in words.items()
            for word in listed
        ]
        terms += [make_term(normaliser, phrase, allows=True) for phrase in allow]
        return Matcher(normaliser, terms, {"refused": "refuse", "masked": "mask", "logged": "log"})

    return make


@pytest.fixture
def write_lists(tmp_path: Path) -> Callable[..., Path]:
    """Write files into an empty folder: `write_lists({"abuse.yaml": "..."})`."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write
