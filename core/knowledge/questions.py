"""Compare a customer's question with the questions of a FAQ.

Two questions are alike as far as they share tokens: the weighted Dice coefficient, in which a token
weighs more the fewer questions have it. The most alike questions then vote for their answers, with
a power of their likeness, and "none of them" has a vote as well. An answer's share of the votes is
the confidence in it: it grows with the likeness and with the number of questions that lead to the
same answer, and falls with every question that leads to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.knowledge.texts import Floats, rarity
from core.knowledge.tokens import CONTENT_WEIGHT, Token, weigh

VOTERS: Final = 30
POWER: Final = 5
NONE_OF_THEM: Final = 0.4
"""Likeness at which a question speaks for its answer as loudly as "none of them" speaks."""
STRANGE_WORD: Final = 2.0
"""A word that no question has counts so many times: it may be what the customer asks about."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Ballot:
    """The votes for one passage."""

    votes: float
    """Sum over its questions of their likeness to the power of `POWER`."""
    share: float
    """Of all votes, with those for other passages that give the same answer: 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class QuestionIndex:
    """Questions by token. Memory: 4 bytes for each different token of each question."""

    vocabulary: dict[str, int]
    weights: Floats
    """Of each token of the vocabulary."""
    strange: float
    """The same of a token that no question has."""
    starts: Ints
    """Where the questions of a token begin in `holders`."""
    holders: Ints
    masses: Floats
    """Of each question: what its tokens weigh together."""
    passages: Ints
    """Of each question: the passage that it belongs to."""
    answers: Ints
    """Of each question: the answer that it leads to."""

    def vote(self, tokens: Sequence[Token], allowed: NDArray[np.bool_]) -> dict[int, Ballot]:
        """Let the questions that are most like `tokens` vote, for passages that are `allowed`."""
        likeness = self._likeness(dict(tokens)) * allowed[self.passages]
        voters = np.argpartition(-likeness, min(VOTERS, len(likeness)) - 1)[:VOTERS]
        passages: dict[int, float] = {}
        answers: dict[int, float] = {}
        leads: dict[int, int] = {}
        ballots = (self.passages[voters], self.answers[voters], likeness[voters] ** POWER)
        for passage, answer, votes in zip(*(row.tolist() for row in ballots), strict=True):
            leads[passage] = answer
            passages[passage] = passages.get(passage, 0.0) + votes
            answers[answer] = answers.get(answer, 0.0) + votes
        cast = sum(answers.values()) + NONE_OF_THEM**POWER
        return {
            passage: Ballot(votes, answers[leads[passage]] / cast)
            for passage, votes in passages.items()
            if votes > 0
        }

    def _likeness(self, tokens: dict[str, float]) -> Floats:
        mass = 0.0
        holders, shared = [self.holders[:0]], [0.0]
        for token, weight in tokens.items():
            number = self.vocabulary.get(token)
            if number is None:
                is_content = weight == CONTENT_WEIGHT
                mass += weight * self.strange * (STRANGE_WORD if is_content else 1.0)
                continue
            known = weight * float(self.weights[number])
            mass += known
            found = self.holders[self.starts[number] : self.starts[number + 1]]
            holders.append(found)
            shared.append(known)
        weights = np.repeat(shared, [len(found) for found in holders])
        common = np.bincount(np.concatenate(holders), weights, len(self.masses))
        return (2 * common / (mass + self.masses)).astype(np.float32)


def build_questions(asked: Sequence[tuple[int, int, str]]) -> QuestionIndex:
    """Index at least one question, each with the number of its passage and of its answer."""
    vocabulary: dict[str, int] = {}
    rows = [dict(weigh(question)) for _, _, question in asked]
    tokens = [vocabulary.setdefault(token, len(vocabulary)) for row in rows for token in row]
    weights = [weight for row in rows for weight in row.values()]
    owners = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) for row in rows])
    columns = np.array(tokens, np.int32)
    frequencies = np.bincount(columns, minlength=len(vocabulary))
    rarities = rarity(frequencies, len(rows))
    masses = np.bincount(owners, np.array(weights) * rarities[columns], len(rows))
    return QuestionIndex(
        vocabulary,
        rarities,
        float(rarity(np.zeros(1), len(rows))[0]),
        np.concatenate(([0], np.cumsum(frequencies))).astype(np.int32),
        owners[np.argsort(columns, kind="stable")],
        masses.astype(np.float32),
        np.array([passage for passage, _, _ in asked], np.int32),
        np.array([answer for _, answer, _ in asked], np.int32),
    )
