"""A tiny EXL2 model on a real card, for the tests marked `gpu`; skips a module that has none.

The model's likeliest tokens lie close together, and kernels for other batch sizes round otherwise.
So two runs are called the same if they draw the same tokens up to a place where both tokens were
about as likely.
"""

import gc
import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch and a card")
if not torch.cuda.is_available():
    pytest.skip("needs an NVIDIA card", allow_module_level=True)
if importlib.util.find_spec("exllamav2_ext") is None:
    pytest.skip("needs exllamav2 with its compiled extension", allow_module_level=True)

from peers.exl2_fake import TOKENIZER, Told  # noqa: E402
from peers.exl2_weights import TINY, Writer, write_adapter  # noqa: E402
from peers.qwen import small_tokenizer  # noqa: E402

from config.engine import EngineSettings  # noqa: E402
from inference.engines import exl2  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402
from inference.engines.exl2_loading import load_exl2  # noqa: E402
from inference.jobs.job import Job, Sampling  # noqa: E402
from inference.plan.shape import ModelShape  # noqa: E402
from inference.text.tokenizer import Mark  # noqa: E402

CLOSE = 0.05
"""Logarithms of likelihoods that rounding may turn around. The kernels add halves of 16 bits in an
order that changes from run to run: 0.007 apart as a rule, 0.04 at worst in a thousand tokens."""
STOPS = [TOKENIZER.id_of(mark) for mark in (Mark.END, Mark.END_OF_TEXT)]
ENDLESS = Sampling(
    temperature=0.0, repetition_penalty=1.0, logit_bias=dict.fromkeys(STOPS, -1000.0)
)
"""The likeliest token, but never an end."""
paged_only = pytest.mark.skipif(
    not exl2.has_paged_attention(), reason="needs flash-attn 2.5.7 or later for the paged mode"
)


def write_tiny(folder: Path, shape: ModelShape = TINY) -> Path:
    """Write a tiny model whose every token depends on all before it, and an adapter for it."""
    Writer(shape, bits=4.0, group=32, contrast=5.0).write(folder, small_tokenizer())
    write_adapter(folder / "lora", shape)
    return folder


def settings_of(folder: Path, **more: object) -> EngineSettings:
    """Settings of one card with a small pool."""
    given = {"placement": "replicas", "pool_tokens": 8192, "max_seq_len": 4096, **more}
    return EngineSettings(engine="exllamav2", model_dir=folder, **given)


class Engines:
    """Loads a model as often as it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.loaded: list[Exl2Engine] = []

    def __call__(self, *, paged: bool = exl2.has_paged_attention(), **more) -> Exl2Engine:
        """Load it with these settings."""
        settings = settings_of(self._folder, **more)
        self.loaded.append(load_exl2(settings, lambda _: None, paged=paged))
        return self.loaded[-1]


@contextmanager
def open_engines(folder: Path) -> Iterator[Engines]:
    """Load a model as often as is asked for, and free the card afterwards."""
    engines = Engines(folder)
    yield engines
    while engines.loaded:
        engines.loaded.pop().close()
    free_card()


def free_card() -> int:
    """Give back what is not in use; returns the bytes that are."""
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


def text(number: int, length: int) -> list[int]:
    """Some tokens, other ones for each number."""
    return [(number * 131 + place * 7 + place * place) % 900 for place in range(length)]


def job(name: str, prompt: list[int], count: int = 24, **more) -> Job:
    """A job whose likelihoods can be compared."""
    return Job(name, prompt, count, ENDLESS, top_logprobs=5, **more)


def tokens_of(told: Told) -> list[int]:
    """The tokens that were drawn."""
    return [each.chosen.token for piece in told.pieces for each in piece.sampled]


def assert_same(one: Told, other: Told) -> int:
    """Compare two runs; returns how many tokens were the same."""
    left = [each for piece in one.pieces for each in piece.sampled]
    right = [each for piece in other.pieces for each in piece.sampled]
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        assert a.chosen.logprob == pytest.approx(b.chosen.logprob, abs=2 * CLOSE), place
        if a.chosen.token != b.chosen.token:
            likely = {each.token: each.logprob for each in a.rivals}
            assert b.chosen.token in likely, f"token {place} is another one"
            assert likely[b.chosen.token] > a.chosen.logprob - CLOSE, f"token {place}"
            return place
    assert len(left) == len(right)
    return len(left)


@torch.no_grad()
def assert_as(
    reference: torch.nn.Module, prompt: list[int], told: Told, close: float = 2 * CLOSE
) -> None:
    """Every token that was drawn is about the likeliest, and as likely, in the reference."""
    drawn = tokens_of(told)
    logits = reference(torch.tensor([[*prompt, *drawn]])).logits[0, len(prompt) - 1 : -1]
    scores = torch.log_softmax(logits[:, : TOKENIZER.vocabulary], -1)
    likelihoods = scores[range(len(drawn)), drawn]
    ours = [each.chosen.logprob for piece in told.pieces for each in piece.sampled]
    assert ours == pytest.approx(likelihoods.tolist(), abs=close)
    scores[:, STOPS] = -math.inf
    assert float((scores.max(-1).values - likelihoods).max()) < close
