"""The words between the door of a model server and its engine: jobs in, events out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

EndReason = Literal["stop", "length", "cancelled", "refused", "out_of_memory", "failed"]
"""Engines say `stop`, `length` or `failed`; the rest is said for them by the loop."""


class Grammar(Protocol):
    """What an answer may still say, for one job; used by the engine's thread alone.

    Computing the next mask can overlap the forward pass: `fill` is called before it is needed.
    """

    def fill(self, mask: memoryview) -> None:
        """Write the tokens allowed next: bit t of the little-endian 32-bit words is token t."""
        ...

    def accept(self, token: int) -> bool:
        """Take note of the sampled token; False if the grammar does not allow it."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether nothing but the end may follow."""
        ...


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a job's tokens are drawn. A temperature of 0 takes the likeliest token.

    The defaults are those of Qwen2.5-Instruct's own generation_config.json.
    """

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 20
    """0 considers every token."""
    min_p: float = 0.0
    repetition_penalty: float = 1.05
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One answer to be generated."""

    id: str
    prompt: Sequence[int]
    """Token ids, chat template included."""
    max_tokens: int
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    grammar: Grammar | None = None
    top_logprobs: int | None = None
    """None: no log probabilities; 0: those of the sampled tokens alone."""
    adapter: str = ""
    """Name of the LoRA adapter; empty for none."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A token with the natural logarithm of its probability."""

    token: int
    text: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sampled token with its rivals, likeliest first; only for jobs that asked for them."""

    chosen: Likelihood
    rivals: tuple[Likelihood, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefilled:
    """The prompt is read: the first token comes with the next step."""

    job: str
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """More of an answer. `text` is whole characters that no stop text can begin with any more."""

    job: str
    text: str
    tokens: int
    """How many tokens were sampled since the last piece."""
    sampled: tuple[Sampled, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of every job, whatever became of it."""

    job: str
    reason: EndReason
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    fault: str = ""
    """Why it failed, in words for an operator; never a customer's text."""


Event = Prefilled | Piece | Ended
