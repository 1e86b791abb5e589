"""A grammar's word on the next token, as a mask over the model's output."""

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from inference.jobs.job import Grammar


class Mask:
    """Computes masks beside the model's work; when nothing may follow, an end may."""

    def __init__(
        self, grammar: Grammar, ends: frozenset[int], vocabulary: int, beside: Executor
    ) -> None:
        """Begin to compute the first one, on one of the threads of `beside`."""
        self._grammar = grammar
        self._ends = sorted(ends)
        self._vocabulary = vocabulary
        self._words = np.zeros(-(-vocabulary // 32), dtype=np.uint32)
        self._beside = beside
        self._next = beside.submit(self._compute)

    def accept(self, token: int) -> bool:
        """Tell the grammar what was said, and begin to compute what may follow.

        False: it refused what it had allowed, and knows no more what may follow.
        """
        if token in self._ends:
            return True
        if not self._grammar.accept(token):
            return False
        self._next = self._beside.submit(self._compute)
        return True

    def banned(self) -> NDArray[np.bool_]:
        """Say of each token whether it must not come next; waits until that is computed."""
        return self._next.result()

    def _compute(self) -> NDArray[np.bool_]:
        allowed = np.zeros(self._vocabulary, dtype=np.bool_)
        if not self._grammar.is_complete:
            self._words.fill(0)
            self._grammar.fill(self._words.data)
            little = self._words.astype("<u4", copy=False).view(np.uint8)
            allowed = np.unpackbits(little, count=self._vocabulary, bitorder="little").view(
                np.bool_
            )
        if not allowed.any():
            allowed[self._ends] = True
        return ~allowed
