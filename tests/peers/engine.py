"""An engine that says what it is told to, a letter a step, and a tokenizer of bytes.

Its thread is the model server's; a test says how many steps it may take, which faults its calls
raise, and waits until something is true of it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from inference.jobs.engine import EngineFacts, JobRefusedError, OutOfMemoryError, Progress
from inference.jobs.job import Ended, Event, Job, Likelihood, Piece, Prefilled, Sampled
from inference.text.tokenizer import ChatTokenizer, Mark

FACTS = EngineFacts(
    name="scripted",
    context_tokens=4096,
    pool_tokens=16384,
    page_tokens=256,
    batch=16,
    vocabulary=512,
    adapters=("repairs",),
)
ANSWER = "好的，马上为您查询。"


def byte_tokenizer() -> ChatTokenizer:
    """Build a tokenizer in which a byte is a token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([mark.value for mark in Mark])
    return ChatTokenizer(tokenizer.to_str())


@dataclass(slots=True)
class _Running:
    job: Job
    prefill_left: int
    said: int = 0


@dataclass
class ScriptedEngine:
    """An engine for tests; all of it may be read at any time."""

    facts: EngineFacts = FACTS
    answer: str = ANSWER
    prefill_steps: int = 1
    cached_tokens: int = 0
    step_seconds: float = 0.0
    pieces: tuple[str, ...] = ()
    """How the answer is cut; letter by letter if not said."""
    job_fault: str = ""
    """Why every answer fails after its first letter, if it does."""
    load_fault: Exception | None = None
    faults: list[Exception] = field(default_factory=list)
    """The next steps raise these, one each."""
    start_fault: Exception | None = None
    """The next start raises this."""
    seen: list[Job] = field(default_factory=list)
    running: dict[str, _Running] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    steps: int = 0
    recoveries: int = 0
    is_closed: bool = False
    _allowed: int | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def load(self, progress: Progress) -> "ScriptedEngine":
        """Stand for the loading of a model."""
        for quarter in range(1, 5):
            progress(quarter / 4)
            self._wait_for_permission()
        if self.load_fault is not None:
            raise self.load_fault
        return self

    def allow(self, steps: int | None) -> None:
        """Let it take so many more steps (quarters of a load count, too); None: any number."""
        with self._changed:
            self._allowed = steps
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something is true of the engine."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(condition, seconds)

        assert await asyncio.to_thread(wait), "the engine did not come to it in time"

    def start(self, job: Job) -> None:
        """Take a job up."""
        with self._changed:
            self.seen.append(job)
            self._changed.notify_all()
            if self.start_fault is not None:
                fault, self.start_fault = self.start_fault, None
                raise fault
            self.running[job.id] = _Running(job, self.prefill_steps)

    def cancel(self, job: str) -> None:
        """End a job."""
        with self._changed:
            if self.running.pop(job, None) is not None:
                self.cancelled.append(job)
            self._changed.notify_all()

    def step(self) -> list[Event]:
        """Say a letter of each answer."""
        self._wait_for_permission()
        if self.step_seconds:
            time.sleep(self.step_seconds)
        with self._changed:
            self.steps += 1
            self._changed.notify_all()
            if self.faults:
                raise self._blame(self.faults.pop(0))
            return [event for each in list(self.running.values()) for event in self._go_on(each)]

    def recover(self) -> None:
        """Take note that it was called."""
        self.recoveries += 1

    def close(self) -> None:
        """Take note that it was called."""
        self.is_closed = True

    def _wait_for_permission(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._allowed != 0)
            if self._allowed is not None:
                self._allowed -= 1

    def _blame(self, fault: Exception) -> Exception:
        """An OutOfMemoryError that names a number is about the job started in that place."""
        if isinstance(fault, OutOfMemoryError):
            failed = tuple(self.seen[int(place)].id for place in fault.failed)
            for job in failed:
                self.running.pop(job, None)
            return OutOfMemoryError(failed)
        return fault

    def _go_on(self, running: _Running) -> Iterator[Event]:
        job = running.job
        if running.prefill_left:
            running.prefill_left -= 1
            if not running.prefill_left:
                yield Prefilled(job.id, self.cached_tokens)
            return
        if self.job_fault and running.said:
            del self.running[job.id]
            yield Ended(job.id, "failed", fault=self.job_fault)
            return
        pieces = self.pieces or self.answer
        if running.said < min(len(pieces), job.max_tokens):
            piece = pieces[running.said]
            running.said += 1
            yield Piece(job.id, piece, 1, _sampled(job, piece))
        if running.said >= min(len(pieces), job.max_tokens):
            del self.running[job.id]
            reason = "length" if len(pieces) > job.max_tokens else "stop"
            prompt = len(job.prompt)
            yield Ended(job.id, reason, prompt, self.cached_tokens, running.said)


def refusing(why: str) -> ScriptedEngine:
    """An engine that refuses the first job."""
    return ScriptedEngine(start_fault=JobRefusedError(why))


def facts(**changes: int) -> EngineFacts:
    """The usual facts, but for these."""
    return replace(FACTS, **changes)


def _sampled(job: Job, piece: str) -> tuple[Sampled, ...]:
    if job.top_logprobs is None:
        return ()
    rivals = [Likelihood(rank, b"x" * rank, -1.0 * rank) for rank in range(1, job.top_logprobs + 1)]
    return (Sampled(Likelihood(0, piece.encode(), -0.5), tuple(rivals)),)
