"""What ExLlamaV2's generator says of a job after an iteration, read into text and reason."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import torch

from inference.engines.exl2 import INCOMPLETE, Answer
from inference.jobs.job import EndReason


class Held(TypedDict, total=False):
    """What was held back when the answer ended."""

    text: str


class Result(TypedDict, total=False):
    """One event of `iterate()`; a `streaming` one is one token."""

    job: Answer
    stage: str
    eos: bool
    eos_reason: str
    text: str
    token_ids: torch.Tensor
    held: Held


Decode = Callable[[torch.Tensor], str]


def read_result(result: Result, stops: Sequence[str], decode: Decode) -> tuple[str, EndReason]:
    """Return the text that may be told, and why the answer ended if this is the last of it."""
    text = result.get("text", "")
    if not result["eos"]:
        return text, "stop"
    if result["eos_reason"] == "stop_token":
        # What might have become a stop text or a character has become neither.
        return (text + result.get("held", {}).get("text", "")).rstrip(INCOMPLETE), "stop"
    if result["eos_reason"] == "max_new_tokens":
        return _cut_off(decode(result["token_ids"]) if INCOMPLETE in text else text, stops)
    return text, "stop"


def _cut_off(text: str, stops: Sequence[str]) -> tuple[str, EndReason]:
    """The library looks for stop texts only if room is left after the token that ends one."""
    found = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    return (text[: min(found)], "stop") if found else (text.rstrip(INCOMPLETE), "length")
