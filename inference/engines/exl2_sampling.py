"""How a job's tokens are drawn, in ExLlamaV2's words; the library is not needed for it."""

from inference.engines.sampling import Bias
from inference.jobs.job import Sampling


def sampler_fields(sampling: Sampling, bias: Bias) -> dict[str, object]:
    """Write the fields of a job's `ExLlamaV2Sampler.Settings`, all: its defaults have opinions."""
    greedy = sampling.temperature == 0 or sampling.top_p == 0
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
