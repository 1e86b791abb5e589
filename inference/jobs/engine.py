"""What a model server needs of an engine. One thread calls all methods, the engine's own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from inference.jobs.job import Event, Job

Progress = Callable[[float], None]
"""Told from 0 to 1 while a model is loaded; may be called from the loading thread."""


class LoadRefusedError(Exception):
    """Model or settings cannot be used as they are; the message is one line that says why."""


class JobRefusedError(Exception):
    """This job can never run here (too long, unknown adapter); the message says why."""


class OutOfMemoryError(Exception):
    """The card's memory did not suffice: `failed` jobs have ended, call `recover`, go on."""

    def __init__(self, failed: tuple[str, ...] = ()) -> None:
        super().__init__("out of memory on the card")
        self.failed = failed


class EngineBrokenError(Exception):
    """The engine cannot go on (a sticky CUDA error, a card that is gone): end the process.

    Its message is logged: words for an operator, never a customer's text.
    """


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine holds, for admission, `/health` and `/v1/models`."""

    name: str
    """Kind of the engine: exllamav2 or transformers."""
    context_tokens: int
    """Longest prompt and answer together."""
    pool_tokens: int
    """Tokens of all running jobs together."""
    page_tokens: int
    """The pool is given out in pages of so many tokens (1: exactly)."""
    batch: int
    """Jobs that may run at a time."""
    vocabulary: int
    adapters: tuple[str, ...] = ()
    mixes_adapters: bool = True
    """Whether jobs of different adapters may run at a time."""


class Engine(Protocol):
    """A loaded model that works on many jobs at a time, step by step."""

    @property
    def facts(self) -> EngineFacts:
        """What it holds."""
        ...

    def start(self, job: Job) -> None:
        """Take a job up; raises JobRefusedError, and then knows nothing of it.

        Where adapters do not mix, all jobs that run are of the same.
        """
        ...

    def cancel(self, job: str) -> None:
        """End a job at once and free its memory; no event follows. Unknown jobs are passed over."""
        ...

    def step(self) -> list[Event]:
        """One iteration over all jobs: some prefill, one token each. Blocks for its time.

        Raises OutOfMemoryError or EngineBrokenError.
        """
        ...

    def recover(self) -> None:
        """Rebuild what an OutOfMemoryError left in doubt; jobs that did not fail go on."""
        ...

    def close(self) -> None:
        """Free the cards."""
        ...
