"""Log probabilities in OpenAI's two shapes: of chats and of plain completions. Pure."""

from collections.abc import Sequence
from typing import Any

from inference.jobs.job import Likelihood, Sampled

LEAST = -9999.0
"""Stands for minus infinity, which JSON lacks; OpenAI writes it so."""


def chat_logprobs(sampled: Sequence[Sampled]) -> dict[str, Any]:
    """Write them as chats have them."""
    return {"content": [_entry(each) for each in sampled], "refusal": None}


def completion_logprobs(sampled: Sequence[Sampled], offset: int) -> dict[str, Any]:
    """Write them as plain completions have them; `offset` is where in the answer they begin."""
    tokens = [_text(each.chosen) for each in sampled]
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": [_finite(each.chosen.logprob) for each in sampled],
        "top_logprobs": [
            {_text(one): _finite(one.logprob) for one in (*each.rivals, each.chosen)}
            for each in sampled
        ],
        "text_offset": offsets,
    }


def _entry(sampled: Sampled) -> dict[str, Any]:
    rivals = [_likelihood(rival) for rival in sampled.rivals]
    return {**_likelihood(sampled.chosen), "top_logprobs": rivals}


def _likelihood(one: Likelihood) -> dict[str, Any]:
    return {"token": _text(one), "logprob": _finite(one.logprob), "bytes": list(one.text)}


def _text(one: Likelihood) -> str:
    return one.text.decode(errors="replace")


def _finite(logprob: float) -> float:
    return max(logprob, LEAST)
