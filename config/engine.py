"""The settings of a model that XiaoQ runs by itself: which, on which cards, with how much of each.

They stand in the group `inference` of all settings (`XIAOQ_INFERENCE__ENGINE`, ...), and a unit of
the model server gets nothing but them. What they mean in memory: `xiaoq model plan`.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from config.fields import Should, Values

PAGE_TOKENS = 256
"""Tokens of one page of ExLlamaV2's cache; lengths of its pool and chunks are multiples of it."""

EngineName = Literal["exllamav2", "transformers"]
PlacementName = Literal["auto", "replicas", "split", "tensor"]
CacheName = Literal["fp16", "q8", "q6", "q4"]

_CARDS = "a list of numbers from 0, each once, such as [0, 1, 2, 3]"
_SHARES = "a list of numbers above 0, one a card, such as [20, 20, 20, 20]"
_PAGES = f"a multiple of {PAGE_TOKENS}"


def _check_cards(cards: tuple[int, ...]) -> tuple[int, ...]:
    if any(card < 0 for card in cards) or any(n > 1 for n in Counter(cards).values()):
        raise ValueError(f"holds {list(cards)}, should be {_CARDS}")
    return cards


def _check_shares(shares: tuple[float, ...]) -> tuple[float, ...]:
    if any(share <= 0 for share in shares):
        raise ValueError(f"holds {list(shares)}, should be {_SHARES}")
    return shares


AdapterName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$"),
    Should("a short name of small letters, digits, . - and _"),
]


class AdapterSettings(Values):
    """A LoRA adapter: a business line's own tuning of the model."""

    name: AdapterName = Field(description="Name in requests, after the model's: qwen2.5-7b:NAME.")
    folder: Path = Field(description="Folder with adapter_config.json and adapter_model.*.")


class EngineSettings(Values):
    """A model that XiaoQ runs by itself; off without an engine."""

    engine: EngineName | None = Field(
        default=None,
        description="What runs the model: exllamav2 on NVIDIA cards, transformers anywhere; "
        "unset: no model is run here.",
    )
    model_dir: Path | None = Field(
        default=None, description="Folder of the model; look at it with xiaoq model check."
    )
    served_name: str | None = Field(
        default=None, description="Name of the model in requests; unset: that of its folder."
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that xiaoq model serve listens on; xiaoq run uses unix sockets.",
    )
    port: int = Field(
        default=8000,
        ge=1,
        le=65_535,
        description="Port of xiaoq model serve; further units take the next ones.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        min_length=8,
        description="Key that callers of xiaoq model serve must send; unset: none is asked for.",
    )
    placement: PlacementName = Field(
        default="auto",
        description="replicas: one whole model a card; split: its layers over all cards; tensor: "
        "every layer over all cards (experimental); auto: replicas if one card holds model and "
        "pool, else split.",
    )
    gpus: Annotated[tuple[int, ...], AfterValidator(_check_cards), Should(_CARDS)] = Field(
        default=(), description="Cards to use, as nvidia-smi counts them; empty: all."
    )
    gpu_split: Annotated[tuple[float, ...], AfterValidator(_check_shares), Should(_SHARES)] = Field(
        default=(),
        description="GiB of weights for each card with split or tensor; empty: equal shares.",
    )
    reserve: float = Field(
        default=1.0, ge=0, le=1024, description="GiB to leave free on each card."
    )
    cache: CacheName = Field(
        default="fp16",
        description="How the pool keeps tokens. fp16 is fastest; q8 holds nearly twice as many; "
        "q6 and q4 cost quality with Qwen2.5.",
    )
    max_seq_len: int | None = Field(
        default=None,
        ge=PAGE_TOKENS,
        le=1_048_576,
        description="Tokens of the longest prompt and answer together; unset: what the model was "
        "trained for.",
    )
    yarn: bool = Field(
        default=False,
        description="Allow max_seq_len up to four times what the model was trained for (YaRN); "
        "changes short answers too.",
    )
    pool_tokens: Annotated[int | None, Should(_PAGES)] = Field(
        default=None,
        ge=PAGE_TOKENS,
        multiple_of=PAGE_TOKENS,
        description="Tokens that all running answers of a unit share; unset: as many as fit.",
    )
    batch: int = Field(
        default=16, ge=1, le=256, description="Answers that a unit writes at a time."
    )
    prefill_chunk: Annotated[int, Should(f"{_PAGES} of at most 8192")] = Field(
        default=512,
        ge=PAGE_TOKENS,
        le=8192,
        multiple_of=PAGE_TOKENS,
        description="Tokens of a prompt read in one step; smaller stalls running answers less.",
    )
    prefills: int = Field(
        default=2, ge=1, le=256, description="Prompts that a unit reads at a time."
    )
    queue: int = Field(
        default=64, ge=0, le=100_000, description="Requests that may wait in a unit; more get 503."
    )
    queue_seconds: float = Field(
        default=10.0, gt=0, le=86_400, description="Longest wait for a free place."
    )
    first_token_seconds: float = Field(
        default=20.0, gt=0, le=86_400, description="Longest wait for the first token."
    )
    total_seconds: float = Field(
        default=120.0, gt=0, le=86_400, description="Longest time for a whole answer."
    )
    answer_tokens: int = Field(
        default=1024,
        ge=1,
        description="Tokens of an answer whose caller does not say (max_tokens).",
    )
    adapters: Annotated[
        tuple[AdapterSettings, ...],
        Should('a list such as [{"name": "repairs", "folder": "adapters/repairs"}]'),
    ] = Field(default=(), description="LoRA adapters to load with the model.")
    speculative: Literal["off", "ngram", "draft"] = Field(
        default="off",
        description="Guess tokens ahead: from the text itself (ngram) or by a small model (draft).",
    )
    draft_dir: Path | None = Field(
        default=None, description="Folder of the small model that guesses ahead."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the transformers engine works; auto: a card if any."
    )
    load_seconds: float = Field(
        default=900.0, gt=0, le=86_400, description="Longest time for loading the model."
    )
    hang_seconds: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        description="A unit that stands still for so long is ended and started again.",
    )
    drain_seconds: float = Field(
        default=20.0, ge=0, le=86_400, description="Time to finish open answers at a stop."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        faults = [fault for fault in self._faults() if fault]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> list[str]:
        """What cannot be, whatever the model and the cards are."""
        names = Counter(adapter.name for adapter in self.adapters)
        several = self.placement in {"split", "tensor"}
        return [
            "has an engine without model_dir; should have the folder of a model"
            if self.engine and not self.model_dir
            else "",
            f"has gpu_split with placement {self.placement}; should have placement split or tensor"
            if self.gpu_split and not several
            else "",
            f"has {len(self.gpu_split)} numbers in gpu_split for {len(self.gpus)} gpus; should "
            "have one a card"
            if self.gpu_split and self.gpus and len(self.gpu_split) != len(self.gpus)
            else "",
            f"has placement {self.placement} on one card; should have two cards or more"
            if several and len(self.gpus) == 1
            else "",
            "has speculative draft without draft_dir; should have the folder of the small model"
            if self.speculative == "draft" and not self.draft_dir
            else "",
            *(
                f'has two adapters named "{name}"; every adapter should have a name of its own'
                for name, count in names.items()
                if count > 1
            ),
        ]
