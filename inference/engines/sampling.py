"""What all engines share in drawing a token: penalties on what was written, and likelihoods."""

from collections.abc import Callable

import torch

from inference.jobs.job import Likelihood, Sampled, Sampling


class Bias:
    """What is added to the logits: what was asked for, less a penalty for what was written.

    For presence and frequency ExLlamaV2 counts the prompt, too, `<|im_end|>` and all; OpenAI counts
    only what was written. So the library's own are off and these are used.
    """

    def __init__(self, sampling: Sampling, width: int) -> None:
        """`width` is that of the model's output, padding included."""
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._seen: set[int] = set()
        self.tensor: torch.Tensor | None = None
        """None while there is nothing to add."""
        if sampling.logit_bias or self._presence or self._frequency:
            self.tensor = torch.zeros(width)
            for token, amount in sampling.logit_bias.items():
                self.tensor[token] = amount

    def note(self, token: int) -> None:
        """Penalise a token that was written."""
        if self.tensor is None or not (self._presence or self._frequency):
            return
        self.tensor[token] -= self._frequency + (0.0 if token in self._seen else self._presence)
        self._seen.add(token)


def weigh(
    scores: torch.Tensor, token: int, rivals: int, bytes_of: Callable[[int], bytes]
) -> Sampled:
    """Say how likely a token and its rivals were; `scores` are logarithms of probabilities."""

    def likelihood(one: int) -> Likelihood:
        return Likelihood(one, bytes_of(one), float(scores[one]))

    top = torch.topk(scores, rivals).indices.tolist() if rivals else []
    return Sampled(likelihood(token), tuple(likelihood(one) for one in top))
