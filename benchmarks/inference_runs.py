"""The measurements of `inference.py`, on any engine that is loaded."""

import cProfile
import pstats
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

from inference.jobs.engine import Engine
from inference.jobs.job import Ended, Job, Piece, Prefilled, Sampling
from inference.plan.shape import QWEN25_7B

STALL_PROMPT = 8192
RUNNING_CHATS = 8
WARM_STEPS = 230
"""Before a batch of a new size is as fast as it gets: ExLlamaV2 tries its kernels 200 times, and
launches them by CUDA graphs from the 205th step on."""


@dataclass
class Bench:
    """Puts jobs to an engine and times its steps; no answer ends before its length."""

    engine: Engine
    stops: frozenset[int]
    _number: int = 0
    sampling: Sampling = field(init=False)

    def __post_init__(self) -> None:
        """Take the likeliest token, never one that ends an answer."""
        never = dict.fromkeys(self.stops, -100.0)
        self.sampling = Sampling(temperature=0.0, repetition_penalty=1.0, logit_bias=never)

    def job(self, prompt: int | list[int], tokens: int) -> Job:
        """Make a job; a number is a prompt of so many tokens that no other begins with."""
        self._number += 1
        if isinstance(prompt, int):
            seed, most = self._number * 7919, self.engine.facts.vocabulary - 64
            prompt = [(seed + place * place * 31 + place) % most for place in range(prompt)]
        return Job(str(self._number), prompt, tokens, self.sampling)

    def run(self, *jobs: Job) -> None:
        """Work until all have ended."""
        for job in jobs:
            self.engine.start(job)
        for _ in self.steps(len(jobs)):
            pass

    def steps(self, ends: int) -> Iterator[tuple[float, list[object]]]:
        """Step until so many jobs have ended: how long each step took, and its events."""
        while ends:
            begun = time.perf_counter()
            events: list[object] = list(self.engine.step())
            yield time.perf_counter() - begun, events
            ends -= sum(isinstance(event, Ended) for event in events)

    def decode(self, batch: int, tokens: int, prompt: int = 128) -> tuple[float, float]:
        """Tokens a second of a full, warm batch; and seconds of a median step."""
        for _ in range(batch):
            self.engine.start(self.job(prompt, WARM_STEPS + tokens))
        reading, times = batch, []
        for seconds, events in self.steps(batch):
            if not reading and not any(isinstance(event, Ended) for event in events):
                times.append(seconds)
            reading -= sum(isinstance(event, Prefilled) for event in events)
        warm = times[WARM_STEPS:]
        return batch * len(warm) / sum(warm), statistics.median(warm)

    def first_token(self, length: int) -> tuple[float, float]:
        """Seconds to the first token of a prompt: unknown, and known but for its last 16 tokens."""
        cold = self.job(length, 1)
        known = list(cold.prompt)
        warm = self.job([*known[:-16], *[(token + 1) % 900 for token in known[-16:]]], 1)
        return self._time(cold), self._time(warm)

    def _time(self, job: Job) -> float:
        begun = time.perf_counter()
        self.run(job)
        return time.perf_counter() - begun

    def stall(self) -> tuple[float, float]:
        """Seconds of a usual step of running chats, and of the longest while a prompt is read."""
        chats = [self.job(256, 2000) for _ in range(RUNNING_CHATS)]
        for chat in chats:
            self.engine.start(chat)
        usual, longest, arrived = [], 0.0, False
        newcomer = self.job(STALL_PROMPT, 2)
        for seconds, events in self.steps(RUNNING_CHATS + 1):
            written = any(isinstance(event, Piece) for event in events)
            if arrived:
                longest = max(longest, seconds)
            elif written:
                usual.append(seconds)
            if len(usual) == WARM_STEPS + 60 and not arrived:
                self.engine.start(newcomer)
                arrived = True
            if any(isinstance(event, Ended) and event.job == newcomer.id for event in events):
                break
        for chat in chats:
            self.engine.cancel(chat.id)
        return statistics.median(usual[WARM_STEPS:]), longest


def kernels_of(run: Callable[[], object]) -> list[tuple[str, float]]:
    """Seconds that each kernel of the card took while something ran, longest first."""
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiler:
        run()
    kernels = [
        (event.key, event.self_device_time_total / 1e6)
        for event in profiler.key_averages()
        if event.device_type.name == "CUDA"
    ]
    return sorted(kernels, key=lambda kernel: -kernel[1])


def calls_of(run: Callable[[], object]) -> list[tuple[str, float]]:
    """Seconds spent in each function itself while something ran, in Python and C++, longest first.

    Whoever copies from the card waits for it, too.
    """
    profiler = cProfile.Profile()
    profiler.runcall(run)
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]  # not in typeshed
    calls = [
        (f"{name} {Path(file).name}:{line}", own)
        for (file, line, name), (_, _, own, *_) in stats.items()
    ]
    return sorted(calls, key=lambda call: -call[1])


def describe_card() -> str:
    """One line: card, memory, driver's CUDA, versions."""
    card = torch.cuda.get_device_properties(0)
    names = [name for name in ("exllamav2", "flash-attn", "transformers") if find_version(name)]
    versions = ", ".join(f"{name} {find_version(name)}" for name in names)
    return (
        f"{card.name}, {card.total_memory / (1 << 30):.0f} GiB, "
        f"torch {torch.__version__}, CUDA {torch.version.cuda}, {versions}"
    )


def find_version(name: str) -> str:
    """The installed version of a package, or nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def copy_bandwidth() -> float:
    """Bytes a second that the card reads and writes while it copies 2 GiB in its memory."""
    source = torch.empty(1 << 31, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(10):
        target.copy_(source)
    torch.cuda.synchronize()
    return 20 * source.nbytes / (time.perf_counter() - begun)


def transformers_rates(batches: Sequence[int], tokens: int) -> Iterator[tuple[int, float]]:
    """Tokens a second of Transformers' own `generate` at each batch, fp16, a 7B of that shape."""
    config = Qwen2Config(**QWEN25_7B.model_dump(), tie_word_embeddings=False)
    with torch.device("cuda"), torch.inference_mode():
        torch.set_default_dtype(torch.float16)
        model = Qwen2ForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
        for batch in batches:
            prompts = torch.randint(0, 150_000, (batch, 128))
            _generate(model, prompts, 16)
            yield batch, batch * tokens / _generate(model, prompts, tokens)


def _generate(model: Qwen2ForCausalLM, prompts: torch.Tensor, tokens: int) -> float:
    """Seconds that so many tokens take, the reading of the prompts included."""
    settings = GenerationConfig(
        max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=151_643
    )
    torch.cuda.synchronize()
    begun = time.perf_counter()
    model.generate(prompts, settings, attention_mask=torch.ones_like(prompts))
    torch.cuda.synchronize()
    return time.perf_counter() - begun
