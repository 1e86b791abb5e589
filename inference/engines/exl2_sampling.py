"""How a job's tokens are drawn, in ExLlamaV2's words; the library is not needed for it."""

from collections.abc import Callable

import torch

from inference.serving.job import Likelihood, Sampled, Sampling


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


def sampler_fields(sampling: Sampling, bias: Bias) -> dict[str, object]:
    """Write the fields of a job's `ExLlamaV2Sampler.Settings`, all: its defaults have opinions."""
    greedy = sampling.temperature == 0
    return {
        "token_repetition_penalty": sampling.repetition_penalty,
        "token_repetition_range": -1,
        "token_repetition_decay": 0,
        "token_frequency_penalty": 0.0,
        "token_presence_penalty": 0.0,
        "temperature": 1.0 if greedy else sampling.temperature,
        "smoothing_factor": 0.0,
        "min_temp": 0.0,
        "max_temp": 0.0,
        "temp_exponent": 1.0,
        "top_k": 1 if greedy else sampling.top_k,
        "top_p": 0.0 if greedy else sampling.top_p,
        "top_a": 0.0,
        "min_p": 0.0 if greedy else sampling.min_p,
        "tfs": 0.0,
        "typical": 0.0,
        "skew": 0.0,
        "temperature_last": False,
        "mirostat": False,
        "mirostat_tau": 1.5,
        "mirostat_eta": 0.1,
        "mirostat_mu": None,
        "token_bias": bias.tensor,
        "cfg_scale": None,
        "post_sampling_hooks": [],
        "dry_allowed_length": 2,
        "dry_base": 1.75,
        "dry_multiplier": 0.0,
        "dry_sequence_breakers": None,
        "dry_range": 0,
        "dry_max_ngram": 20,
        "ngram_trie": None,
        "ngram_index": 0,
        "xtc_probability": 0.0,
        "xtc_threshold": 0.1,
        "xtc_ignore_tokens": None,
    }


def weigh(
    scores: torch.Tensor, token: int, rivals: int, bytes_of: Callable[[int], bytes]
) -> Sampled:
    """Say how likely a token and its rivals were; `scores` are logarithms of probabilities."""

    def likelihood(one: int) -> Likelihood:
        return Likelihood(one, bytes_of(one), float(scores[one]))

    top = torch.topk(scores, rivals).indices.tolist() if rivals else []
    return Sampled(likelihood(token), tuple(likelihood(one) for one in top))
