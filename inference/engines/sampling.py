"""What all engines share in drawing a token: penalties on what was written, and likelihoods."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from inference.jobs.job import Likelihood, Sampled, Sampling


class Bias:
    """What is added to the logits: what was asked for, less a penalty for what was written.

    As in OpenAI's protocol presence and frequency are those in the answer, not in the prompt.
    """

    def __init__(self, sampling: Sampling, vocabulary: int) -> None:
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._seen: set[int] = set()
        self.amounts: NDArray[np.float32] | None = None
        """One for each token; None while there is nothing to add."""
        if sampling.logit_bias or self._presence or self._frequency:
            self.amounts = np.zeros(vocabulary, dtype=np.float32)
            for token, amount in sampling.logit_bias.items():
                self.amounts[token] = amount
        self.only_lowers = (
            min(self._presence, self._frequency) >= 0
            and max(sampling.logit_bias.values(), default=0.0) <= 0
        )
        """Whether no token ever becomes likelier by it."""

    def note(self, token: int) -> None:
        """Penalise a token that was written."""
        if self.amounts is None or not (self._presence or self._frequency):
            return
        self.amounts[token] -= self._frequency + (0.0 if token in self._seen else self._presence)
        self._seen.add(token)


def weigh(
    scores: torch.Tensor, token: int, rivals: int, bytes_of: Callable[[int], bytes]
) -> Sampled:
    """Say how likely a token and its rivals were; `scores` are logarithms of probabilities."""

    def likelihood(one: int) -> Likelihood:
        return Likelihood(one, bytes_of(one), float(scores[one]))

    top = torch.topk(scores, rivals).indices.tolist() if rivals else []
    return Sampled(likelihood(token), tuple(likelihood(one) for one in top))
