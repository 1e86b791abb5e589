"""Draws tokens from a model's output, for engines whose library leaves that to us."""

from collections.abc import Sequence

import torch

from inference.engines.sampling import Bias
from inference.jobs.job import Sampling


class Dice:
    """Draws the tokens of one answer."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], vocabulary: int) -> None:
        """Prompt and answer alike count for the repetition penalty."""
        self._sampling = sampling
        self._bias = Bias(sampling, vocabulary)
        self._known = torch.zeros(vocabulary, dtype=torch.bool)
        self._known[list(prompt)] = True
        self._chance = torch.Generator()
        if sampling.seed is None:
            self._chance.seed()
        else:
            self._chance.manual_seed(sampling.seed % 2**63)

    def weigh(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits after penalties and bias."""
        penalty = self._sampling.repetition_penalty
        if penalty != 1.0:
            known = self._known.nonzero().squeeze(1)
            before = logits[known]
            punished = torch.where(before > 0, before / penalty, before * penalty)
            logits = logits.index_copy(0, known, punished)
        return logits if self._bias.tensor is None else logits + self._bias.tensor

    def draw(self, logits: torch.Tensor) -> int:
        """Draw a token from weighed logits."""
        sampling = self._sampling
        if sampling.temperature == 0:
            return int(logits.argmax())
        count = min(sampling.top_k or len(logits), len(logits))
        likeliest, tokens = torch.topk(logits, count)
        shares = torch.softmax(likeliest / sampling.temperature, dim=-1)
        before = shares.cumsum(-1) - shares
        kept = (before < sampling.top_p) & (shares >= sampling.min_p * shares[0])
        kept[0] = True
        place = torch.multinomial(shares * kept, 1, generator=self._chance)
        return int(tokens[place])

    def note(self, token: int) -> None:
        """Take note of a token that was written."""
        self._bias.note(token)
        self._known[token] = True
