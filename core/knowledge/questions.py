"""Compare a customer's question with the questions of a FAQ.

Two questions are alike as far as they share tokens: the weighted Dice coefficient, in which a token
weighs more the fewer questions have it. The most alike questions then vote for their answers, with
a power of their likeness, and "none of them" has a vote as well. An answer's share of the votes is
the confidence in it: it grows with the likeness and with the number of questions that lead to the
same answer, and falls with every question that leads to another.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.knowledge.rows import Floats, Rows, highest, picked, spread
from core.knowledge.texts import rarity
from core.knowledge.tokens import CONTENT_WEIGHT, Numbered, Token

VOTERS: Final = 30
POWER: Final = 5
NONE_OF_THEM: Final = 0.4
"""Likeness at which a question speaks for its answer as loudly as "none of them" speaks."""
STRANGE_WORD: Final = 2.0
"""A word that no question has counts so many times: it may be what the customer asks about."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Ballot:
    """The votes, by passage; others have none."""

    votes: dict[int, float]
    """Sum over a passage's questions of their likeness to the power of `POWER`."""
    share: dict[int, float]
    """Of all votes, with those for other passages that give the same answer: 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class QuestionIndex:
    """Questions by token. Memory: 4 bytes for each different token of each question."""

    weights: NDArray[np.float32]
    """Of each token that a question has; their numbers are the lowest of the vocabulary."""
    strange: float
    """The same of a token that no question has."""
    rows: Rows
    """Of each token: the questions that have it."""
    masses: Floats
    """Of each question: what its tokens weigh together."""
    passages: Ints
    """Of each question: the passage that it belongs to."""
    answers: Ints
    """Of each question: the answer that it leads to."""

    def vote(self, tokens: Sequence[Numbered], allowed: NDArray[np.bool_]) -> Ballot:
        """Let the questions that are most like `tokens` vote, those that are `allowed`."""
        likeness = self._likeness(dict(tokens)) * allowed
        voters = highest(likeness, VOTERS)
        # So few are added up sooner one by one than by numpy.
        alike = likeness[voters].tolist()
        passages = self.passages[voters].tolist()
        answers = self.answers[voters].tolist()
        votes: dict[int, float] = {}
        won: dict[int, float] = {}
        led: dict[int, int] = {}
        for passage, answer, like in zip(passages, answers, alike, strict=True):
            vote = like**POWER
            votes[passage] = votes.get(passage, 0.0) + vote
            won[answer] = won.get(answer, 0.0) + vote
            led[passage] = answer
        total = sum(won.values()) + NONE_OF_THEM**POWER
        return Ballot(votes, {passage: won[answer] / total for passage, answer in led.items()})

    def _likeness(self, tokens: dict[int, float]) -> Floats:
        mass, most = 0.0, len(self.weights)
        known, weights = [], []
        for token, weight in tokens.items():
            if 0 <= token < most:
                known.append(token)
                weights.append(weight)
            else:
                is_content = weight == CONTENT_WEIGHT
                mass += weight * self.strange * (STRANGE_WORD if is_content else 1.0)
        shared = list(map(mul, picked(self.weights, known), weights))
        spans = self.rows.spans(known)
        common = self.rows.sum(spans, spread(shared, spans))
        likeness: Floats = 2 * common / (self.masses + (mass + sum(shared)))
        return likeness


def build_questions(
    asked: Sequence[tuple[int, int, Sequence[Token]]], vocabulary: defaultdict[str, int]
) -> QuestionIndex:
    """Index at least one question, each after the numbers of its passage and of its answer.

    The vocabulary is empty before, and numbers their tokens after it.
    """
    rows = [dict(tokens) for _, _, tokens in asked]
    columns = np.array([*map(vocabulary.__getitem__, chain.from_iterable(rows))], np.int32)
    weights = [weight for row in rows for weight in row.values()]
    owners = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) for row in rows])
    frequencies = np.bincount(columns)
    rarities = rarity(frequencies, len(rows))
    masses = np.bincount(owners, np.array(weights) * rarities[columns], len(rows))
    return QuestionIndex(
        rarities,
        float(rarity(np.zeros(1), len(rows))[0]),
        Rows(
            np.concatenate(([0], np.cumsum(frequencies))).astype(np.int32),
            owners[np.argsort(columns, kind="stable")],
            len(rows),
        ),
        masses.astype(np.float32),
        np.array([passage for passage, _, _ in asked], np.int32),
        np.array([answer for _, answer, _ in asked], np.int32),
    )
