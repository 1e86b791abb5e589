"""YaRN's frequencies as its authors and Transformers compute them (arXiv 2309.00071).

ExLlamaV2 0.3.2 takes the correction range from the extended context instead of the one that the
model was trained for: 23 of 64 frequencies of Qwen2.5 come out more than 1 % off, up to 2.24 times.
"""

import math
from typing import Protocol

import torch

BETA_FAST = 32.0
BETA_SLOW = 1.0


class YarnConfig(Protocol):
    """What ExLlamaV2's config says of it."""

    head_dim: int
    yarn_rope_factor: float
    yarn_rope_original_max_position_embeddings: int


def reference_yarn(
    device: torch.device | str, config: YarnConfig, base: float
) -> tuple[torch.Tensor, float]:
    """Compute frequencies and attention factor where ExLlamaV2 asks its own function for them."""
    factor = config.yarn_rope_factor
    trained = config.yarn_rope_original_max_position_embeddings
    frequencies = yarn_frequencies(config.head_dim, base, factor, trained)
    return torch.tensor(frequencies, device=device), yarn_attention(factor)


def yarn_frequencies(dimension: int, base: float, factor: float, trained: int) -> list[float]:
    """Compute the inverse frequencies of a head of so many elements, `dimension` / 2 of them.

    `factor` is how much longer than the `trained` tokens a context may be.
    """
    plain = [base ** (-2 * index / dimension) for index in range(dimension // 2)]
    low = max(math.floor(_turning(BETA_FAST, dimension, base, trained)), 0)
    high = min(math.ceil(_turning(BETA_SLOW, dimension, base, trained)), dimension - 1)
    width = max(high - low, 0.001)
    ramp = [min(max((index - low) / width, 0.0), 1.0) for index in range(dimension // 2)]
    return [
        frequency * (1 - share) + frequency / factor * share
        for frequency, share in zip(plain, ramp, strict=True)
    ]


def yarn_attention(factor: float) -> float:
    """Compute what sine and cosine are multiplied by."""
    return 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0


def _turning(rotations: float, dimension: int, base: float, trained: int) -> float:
    """At which element a position turns so often over the trained context."""
    return dimension * math.log(trained / (rotations * 2 * math.pi)) / (2 * math.log(base))
