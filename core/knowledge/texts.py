"""Find passages by the words and pieces that they share with a question: BM25."""

import time
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from bm25s import BM25  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.knowledge.rows import Floats, Rows, entries, picked, spread
from core.knowledge.tokens import FUNCTION_WEIGHT, Numbered, Token

SATURATION: Final = 1.2
LENGTH_PENALTY: Final = 0.75
"""k1 and b of BM25."""
TURN_SECONDS: Final = 0.002
"""So long an index is built before others may run; making way takes a tenth of it."""
UNSEEN_TOKENS: Final = 4
UNSEEN_WORDS: Final = 1
"""A question is taken to have so many more tokens and words that no text has: of a question of two
words, both found, less is known than of one of ten."""


@dataclass(frozen=True, slots=True, eq=False)
class TextIndex:
    """Texts by token. Memory: 8 bytes for each different token of each text."""

    weights: NDArray[np.float32]
    """Inverse document frequency of each token of the vocabulary."""
    strange: float
    """The same of a token that no text has."""
    rows: Rows
    scores: NDArray[np.float32]
    """What each token scores in each text that has it."""

    def relevance(self, tokens: Iterable[Numbered]) -> Floats:
        """Of each text: its BM25 score over the highest that any text could have, 0 to 1.

        That is what bm25s' own sum gives, which takes a numpy call for each token.
        """
        wanted = _kept(tokens)
        known = [token for token in wanted if token >= 0]
        spans = self.rows.spans(known)
        total = self.rows.sum(spans, entries(self.scores, spans))
        return total / self._ceiling(known, len(wanted) + UNSEEN_TOKENS)

    def coverage(self, words: Collection[int]) -> Floats:
        """Of each text: which part of a question's content words it holds, by weight, 0 to 1."""
        known = [word for word in words if word >= 0]
        spans = self.rows.spans(known)
        total = self.rows.sum(spans, spread(picked(self.weights, known), spans))
        return total / self._ceiling(known, len(words) + UNSEEN_WORDS)

    def _ceiling(self, known: Sequence[int], number: int) -> float:
        """What so many tokens weigh together, of which these are known."""
        return sum(picked(self.weights, known)) + self.strange * (number - len(known))


def build_texts(texts: Iterable[Iterable[Token]], vocabulary: defaultdict[str, int]) -> TextIndex:
    """Index one text or more, and give their tokens numbers."""
    nothing = [vocabulary[""]]
    rows = []
    yielded = time.perf_counter()
    for text in texts:
        kept = [token for token, weight in text if weight != FUNCTION_WEIGHT]
        tokens = [*map(vocabulary.__getitem__, kept)]
        # bm25s divides by the mean length: no text may be empty.
        rows.append(array("i", tokens or nothing))
        # This takes seconds in a thread: let the event loop have the interpreter in between.
        if time.perf_counter() - yielded > TURN_SECONDS:
            time.sleep(0)
            yielded = time.perf_counter()
    # Defaults of bm25s 0.3 that matter: numpy only, float32 and int32, "lucene" scores, no threads.
    bm25 = BM25(k1=SATURATION, b=LENGTH_PENALTY)
    bm25.index((rows, dict(vocabulary)), create_empty_token=False, show_progress=False)
    found = bm25.scores
    return TextIndex(
        rarity(np.diff(found["indptr"]), len(rows)),
        float(rarity(np.zeros(1), len(rows))[0]),
        Rows(found["indptr"], found["indices"], len(rows)),
        found["data"],
    )


def rarity(frequencies: NDArray[np.generic], total: int) -> NDArray[np.float32]:
    """Inverse document frequency, in Lucene's form, of tokens found in so many of `total` texts."""
    found = frequencies.astype(np.float32)
    return np.log1p((total - found + 0.5) / (found + 0.5)).astype(np.float32)


def _kept(tokens: Iterable[Numbered]) -> list[int]:
    return [token for token, weight in tokens if weight != FUNCTION_WEIGHT]
