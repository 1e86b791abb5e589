"""An engine that says what it is told to, and a tokenizer in which a byte is a token.

The script is the prompt's last message: it is said back a token (a byte's worth of text) a step.
Faults are injected by the test's thread; what the engine saw is read from there.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from inference.serving.engine import EngineFacts, JobRefusedError
from inference.serving.job import Ended, Event, Job, Likelihood, Piece, Prefilled, Sampled
from inference.tokenizer import ChatTokenizer, Mark

FACTS = EngineFacts(
    name="scripted",
    context_tokens=4096,
    pool_tokens=16384,
    page_tokens=256,
    batch=16,
    vocabulary=512,
    adapters=("repairs",),
)


def byte_tokenizer() -> ChatTokenizer:
    """A tokenizer of 256 bytes and the marks; text and tokens are easily told from each other."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([mark.value for mark in Mark])
    return ChatTokenizer(tokenizer.to_str())


TOKENIZER = byte_tokenizer()


@dataclass(slots=True)
class _Running:
    job: Job
    answer: list[str]
    said: int = 0
    is_read: bool = False


@dataclass
class ScriptedEngine:
    """Says an answer's letters one a step; every method is called by the engine's thread."""

    facts: EngineFacts = FACTS
    answer: str = "好的，马上为您查询。"
    step_seconds: float = 0.0
    load_seconds: float = 0.0
    prefill_steps: int = 1
    seen: list[Job] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    """Raised by the next steps, one each."""
    refusal: str = ""
    """Why jobs are refused, if they are."""
    on_step: Callable[[], None] | None = None
    steps: int = 0
    recoveries: int = 0
    is_closed: bool = False
    running: dict[str, _Running] = field(default_factory=dict)

    def start(self, job: Job) -> None:
        self.seen.append(job)
        if self.refusal:
            raise JobRefusedError(self.refusal)
        letters = list(self.answer)[: job.max_tokens]
        self.running[job.id] = _Running(job, letters)

    def cancel(self, job: str) -> None:
        if self.running.pop(job, None) is not None:
            self.cancelled.append(job)

    def step(self) -> list[Event]:
        self.steps += 1
        if self.on_step is not None:
            self.on_step()
        if self.step_seconds:
            time.sleep(self.step_seconds)
        if self.faults:
            raise self.faults.pop(0)
        return [event for each in list(self.running.values()) for event in self._advance(each)]

    def recover(self) -> None:
        self.recoveries += 1

    def close(self) -> None:
        self.is_closed = True

    def _advance(self, running: _Running) -> Iterator[Event]:
        job = running.job
        if not running.is_read:
            running.is_read = True
            yield Prefilled(job.id, cached_tokens=0)
            return
        if running.said < len(running.answer):
            letter = running.answer[running.said]
            running.said += 1
            yield Piece(job.id, letter, 1, _sampled(job, letter))
        if running.said >= len(running.answer):
            del self.running[job.id]
            is_cut = len(self.answer) > job.max_tokens
            yield Ended(
                job.id,
                "length" if is_cut else "stop",
                prompt_tokens=len(job.prompt),
                cached_tokens=0,
                completion_tokens=running.said,
            )


def _sampled(job: Job, letter: str) -> tuple[Sampled, ...]:
    if job.top_logprobs is None:
        return ()
    rivals = tuple(
        Likelihood(rank, b"x" * rank, -1.0 - rank) for rank in range(1, job.top_logprobs + 1)
    )
    return (Sampled(Likelihood(0, letter.encode(), -0.5), rivals),)
