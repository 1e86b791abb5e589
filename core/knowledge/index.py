"""The index of a company's knowledge: which passages answer a question, and how surely."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.knowledge.documents import Passage
from core.knowledge.questions import QuestionIndex, build_questions
from core.knowledge.rows import Floats, highest
from core.knowledge.texts import TextIndex, build_texts
from core.knowledge.tokens import Token, content, load_dictionary, number, weigh

SURE: Final = 0.76
"""Share of the votes from which a FAQ entry answers the question."""
GOOD: Final = 0.54
"""Score and part of the question's content covered, taken together, from which to quote."""
FOREIGN: Final = 0.5
"""Factor on the score of a passage in another language than the customer's."""
QUESTION_CHARACTERS: Final = 500
"""The rest of a longer message is not searched for; one of this length takes up to 6 ms."""

ALL: Final = "."
"""Names the knowledge folder itself, with all folders in it."""

# All figures above and here were chosen with benchmarks/knowledge.py, on its sets for tuning.
_LIKENESS: Final = 0.6
_COVERAGE: Final = 0.7
_FIRST: Final = 1000.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Match:
    """A passage found for a question."""

    passage: Passage
    score: float
    """The higher the better; comparable between questions, but no probability."""
    sure: bool
    """The passage is a FAQ entry for this very question: it may be given word for word."""
    good: bool
    """The passage has to do with the question: it may be quoted, and shown to a model."""
    question: str
    """What was searched for."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What a customer of some language is answered from."""

    own: Mask
    """The passages in that language or in no particular one."""
    asked: Mask
    """The questions that lead to them."""
    leaning: Floats
    """Factor on the score of each passage where none of its own language is good."""


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Passages that can be searched. Immutable; safe to use in several threads."""

    passages: tuple[Passage, ...]
    vocabulary: Mapping[str, int]
    """The number of each token; those of questions come first."""
    texts: TextIndex | None
    questions: QuestionIndex | None
    allowed: Mask
    """The passages that are searched."""
    scopes: dict[str | None, Scope]
    """Of the passages that are searched, for each language; None for a customer of any."""

    def within(self, folders: Iterable[str]) -> "Index":
        """The same index, searched only in some folders of the knowledge folder, or `ALL`."""
        starts = tuple("" if folder == ALL else f"{folder.rstrip('/')}/" for folder in folders)
        allowed = np.array([passage.path.startswith(starts) for passage in self.passages], np.bool_)
        return replace(
            self, allowed=allowed, scopes=_scopes(self.passages, self.questions, allowed)
        )

    def search(self, question: str, limit: int = 4, language: str | None = None) -> list[Match]:
        """Find the best passages for a question: sure ones, then good ones, then by score.

        Passages in the customer's `language` are preferred: one in another language is never sure,
        and is left out where one in the customer's language is good.
        """
        if self.texts is None:
            return []
        weighed = weigh(question[:QUESTION_CHARACTERS])
        tokens = number(weighed, self.vocabulary)
        scope = self._scope(language)
        score = self.texts.relevance(tokens) * self.allowed
        sure: set[int] = set()
        if self.questions:
            ballot = self.questions.vote(tokens, scope.asked)
            for passage, votes in ballot.votes.items():
                score[passage] += votes**_LIKENESS
            sure = {passage for passage, share in ballot.share.items() if share >= SURE}
        words = [self.vocabulary.get(word, -1) for word in content(weighed)]
        good = score + _COVERAGE * self.texts.coverage(words) >= GOOD
        has_own = bool(sure) or (good & scope.own).any()
        rank = score * (scope.own if has_own else scope.leaning)
        for passage in sure:
            good[passage] = True
            rank[passage] += _FIRST
        found = _best(rank, limit)
        matches = [
            Match(
                self.passages[passage],
                float(score[passage]),
                sure=passage in sure,
                good=bool(good[passage]),
                question=question,
            )
            for passage in found
        ]
        return sorted(matches, key=lambda match: (match.sure, match.good), reverse=True)

    def _scope(self, language: str | None) -> Scope:
        known = None if language is None else _base(language)
        return self.scopes.get(known) or self.scopes[""]


def build_index(passages: Sequence[Passage]) -> Index:
    """Index passages. Takes about 1 s for 1,000, most of it in Python: call it in a thread."""
    if passages:
        load_dictionary()
    numbers = {text: place for place, text in enumerate({p.text: None for p in passages})}
    # A question is indexed twice, by itself and as a part of its passage.
    tokens = {question: weigh(question) for found in passages for question in found.questions}
    asked = [
        (passage, numbers[found.text], tokens[question])
        for passage, found in enumerate(passages)
        for question in found.questions
    ]
    vocabulary: defaultdict[str, int] = defaultdict(count().__next__)
    questions = build_questions(asked, vocabulary) if asked else None
    whole = (_whole(found, tokens) for found in passages)
    texts = build_texts(whole, vocabulary) if passages else None
    allowed = np.ones(len(passages), np.bool_)
    scopes = _scopes(passages, questions, allowed)
    return Index(tuple(passages), dict(vocabulary), texts, questions, allowed, scopes)


def _scopes(
    passages: Sequence[Passage], questions: QuestionIndex | None, allowed: Mask
) -> dict[str | None, Scope]:
    languages = np.array([_base(passage.language) for passage in passages] or [""])
    neutral = languages == ""
    scopes: dict[str | None, Scope] = {}
    for code in {None, "", *languages.tolist()}:
        own = allowed & (neutral | (languages == code) | (code is None))
        asked = own[questions.passages] if questions else own[:0]
        scopes[code] = Scope(own, asked, np.where(own, 1.0, FOREIGN))
    return scopes


def _whole(passage: Passage, questions: dict[str, list[Token]]) -> Iterator[Token]:
    """The tokens of all that a passage says."""
    asked = [questions[question] for question in passage.questions]
    return chain(weigh(passage.title), *asked, weigh(passage.text))


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def _best(rank: Floats, limit: int) -> list[int]:
    """The passages that rank highest above zero, highest first."""
    top = highest(rank, limit)
    return [passage for _, passage in sorted(zip((-rank[top]).tolist(), top.tolist(), strict=True))]
