"""Draws tokens from a model's output, in the same way for every engine.

Looking at 150,000 logits takes a processor most of a millisecond, and the next token of every other
answer waits for it. But what is drawn is nearly always among the few likeliest, and a card finds
those of a whole batch at once. So they are looked at first, and all others only where one of them
might still come before one of these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from inference.engines.masks import Mask
from inference.engines.sampling import Bias
from inference.jobs.job import Sampling

SHORTLIST = 128
"""Tokens looked at first; by default the 20 likeliest are considered."""

Tokens = NDArray[np.int64]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]
Banned = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Row:
    """What a model says of one place in one answer."""

    tokens: Tokens
    """The likeliest, in that order."""
    logits: Floats
    """Theirs."""
    whole: torch.Tensor
    """The logits of all tokens, wherever they lie."""

    @property
    def is_broken(self) -> bool:
        """Whether some logit is not a number, as overflowing halves make it: that sorts first."""
        return bool(np.isnan(self.logits[0]))


def shortlist(logits: torch.Tensor, count: int = SHORTLIST) -> torch.Tensor:
    """Find the likeliest tokens where the logits lie: (..., tokens) becomes (..., 2, count).

    First come their logits, then their numbers, which 32 bits hold up to 16 million.
    """
    found = torch.topk(logits, min(count, logits.shape[-1]), dim=-1)
    return torch.stack((found.values.float(), found.indices.float()), dim=-2)


def read_rows(logits: torch.Tensor, count: int = SHORTLIST) -> Iterator[Row]:
    """Make rows of a batch, (rows, tokens)."""
    for short, whole in zip(shortlist(logits, count).cpu().numpy(), logits, strict=True):
        yield Row(short[1].astype(np.int64), short[0], whole)


class Dice:
    """Draws the tokens of one answer."""

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        vocabulary: int,
        mask: Mask | None = None,
    ) -> None:
        """Prompt and answer alike count for the repetition penalty."""
        self.fault = ""
        """Why the answer cannot go on; empty if it can."""
        self._mask = mask
        self._sampling = sampling
        self._bias = Bias(sampling, vocabulary)
        self._known = np.zeros(vocabulary, dtype=np.bool_)
        self._known[list(prompt)] = True
        self._chance = Random(sampling.seed)  # noqa: S311 - draws words, no secrets
        self._is_greedy = sampling.temperature == 0 or sampling.top_p == 0
        self._count = 1 if self._is_greedy else sampling.top_k or vocabulary
        self._only_lowers = sampling.repetition_penalty >= 1 and self._bias.only_lowers

    def draw(self, row: Row) -> int:
        """Draw the next token; it means nothing once there is a `fault`."""
        if row.is_broken:
            self.fault = "the model's output is not a number"
            return 0
        tokens, weights = self.chances(row, self._mask.banned() if self._mask else None)
        sums = weights.cumsum(dtype=np.float64)
        place = sums.searchsorted(self._chance.random() * sums[-1], side="right")
        token = int(tokens[min(int(place), len(tokens) - 1)])
        self.note(token)
        return token

    def chances(self, row: Row, banned: Banned | None = None) -> tuple[Tokens, Floats]:
        """Return the tokens that may be drawn, and how likely they are beside one another.

        `banned` says of each token of the vocabulary whether it is forbidden.
        """
        tokens, logits = row.tokens, self._weigh(row.logits, row.tokens, banned)
        if not self._is_enough(logits, row):
            tokens = np.arange(len(self._known))
            logits = self._weigh(row.whole.float().cpu().numpy(), tokens, banned)
        if self._is_greedy:
            return tokens[[logits.argmax()]], np.ones(1, dtype=np.float32)
        if self._count < len(tokens):
            likeliest = np.argpartition(logits, -self._count)[-self._count :]
            tokens, logits = tokens[likeliest], logits[likeliest]
        weights = np.exp((logits - logits.max()) / np.float32(self._sampling.temperature))
        if self._sampling.top_p >= 1 and not self._sampling.min_p:
            return tokens, weights
        kept = self._keep(weights)
        return tokens[kept], weights[kept]

    def note(self, token: int) -> None:
        """Take note of a token that was written."""
        self._bias.note(token)
        self._known[token] = True
        if self._mask and not self._mask.accept(token):
            self.fault = "the grammar refused what it had allowed"

    def _weigh(self, logits: Floats, tokens: Tokens, banned: Banned | None) -> Floats:
        """Apply penalties, bias, and what is forbidden."""
        weighed = logits.copy()
        penalty = self._sampling.repetition_penalty
        if penalty != 1.0:
            known = np.flatnonzero(self._known[tokens])
            before = weighed[known]
            weighed[known] = np.where(before > 0, before / penalty, before * penalty)
        if self._bias.amounts is not None:
            weighed += self._bias.amounts[tokens]
        if banned is not None:
            weighed[banned[tokens]] = -np.inf
        return weighed

    def _is_enough(self, weighed: Floats, row: Row) -> bool:
        """Whether so many are still likelier than every token that is not in the shortlist."""
        if len(row.tokens) == len(self._known):
            return True
        ahead = np.count_nonzero(weighed > row.logits[-1]) if self._only_lowers else 0
        return bool(ahead >= self._count)

    def _keep(self, weights: Floats) -> Places:
        """Find the places of those that top_p and min_p leave."""
        total = float(weights.sum(dtype=np.float64))
        least = self._sampling.min_p * float(weights.max())
        if self._sampling.top_p >= 1:
            return np.flatnonzero(weights >= least)
        # All that are less likely than this have less together than is left out: none is kept.
        least = max(least, (1 - self._sampling.top_p) * total / len(weights))
        likely = np.flatnonzero(weights >= least)
        order = likely[np.argsort(-weights[likely], kind="stable")]
        sums = weights[order].cumsum(dtype=np.float64)
        return order[: int(sums.searchsorted(self._sampling.top_p * total)) + 1]
