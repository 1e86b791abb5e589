"""A grammar's word on the next token, as a mask over the model's output."""

import numpy as np
import torch

from inference.jobs.job import Grammar


class Mask:
    """Computes masks ahead of time and feeds what was said; when nothing may follow, an end may."""

    def __init__(self, grammar: Grammar, ends: frozenset[int], width: int) -> None:
        """`width` is that of the model's output, padding included."""
        self._grammar = grammar
        self._ends = sorted(ends)
        self._width = width
        self._words = np.zeros(-(-width // 32), dtype=np.uint32)
        self._banned: torch.Tensor | None = None
        self.is_broken = False
        """Whether the grammar refused a token that it had allowed."""

    def accept(self, token: int) -> None:
        """Tell the grammar what was said."""
        self._banned = None
        if token not in self._ends and not self._grammar.accept(token):
            self.is_broken = True

    def prepare(self) -> None:
        """Compute the mask for the next token, once."""
        if self._banned is None:
            self._banned = self._compute()

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Make in place impossible what is not allowed, and return the logits."""
        self.prepare()
        return logits.masked_fill_(self._banned, -torch.inf)

    def _compute(self) -> torch.Tensor:
        allowed = np.zeros(self._width, dtype=np.uint8)
        if not self.is_broken and not self._grammar.is_complete:
            self._words.fill(0)
            self._grammar.fill(self._words.data)
            little = self._words.astype("<u4", copy=False).view(np.uint8)
            allowed = np.unpackbits(little, bitorder="little")[: self._width]
        if not allowed.any():
            allowed[self._ends] = 1
        return torch.from_numpy(allowed == 0)
