"""ExLlamaV2, in the one file that imports it: its model, its generator, its jobs.

The library stands still (0.3.2, 2025), so all that depends on it is here, and `exl2_engine` makes
an `Engine` of it. Only its synchronous generator is used: the async one runs the forward pass on
the event loop and hangs after an error. Nothing here is safe for two threads.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from exllamav2 import (
    ExLlamaV2,
    ExLlamaV2Cache,
    ExLlamaV2Cache_Q4,
    ExLlamaV2Cache_Q6,
    ExLlamaV2Cache_Q8,
    ExLlamaV2Cache_TP,
    ExLlamaV2CacheBase,
    ExLlamaV2Config,
    ExLlamaV2Lora,
    ExLlamaV2Tokenizer,
    SeqTensor,
    attn,
    rope,
)
from exllamav2.generator import ExLlamaV2DynamicGenerator, ExLlamaV2DynamicJob
from numpy.typing import NDArray

from config.engine import PAGE_TOKENS, CacheName, EngineSettings
from inference.engines.drawing import Dice, Row, shortlist
from inference.engines.exl2_adapters import follow_order
from inference.engines.masks import Mask
from inference.engines.pieces import token_bytes
from inference.engines.sampling import weigh
from inference.engines.yarn import reference_yarn
from inference.jobs.engine import Progress
from inference.jobs.job import Job, Sampled

STOP_TOKENS = ("<|im_end|>", "<|endoftext|>")
"""151645 and 151643 in Qwen2.5; ExLlamaV2's config keeps but the first of a list."""
DRAFT_TOKENS = 4
"""Guessed ahead in one step, if anything is."""
NGRAM = 4
"""Longest run of tokens that guessing from the text looks for; it needs one less to begin with."""
STEP_TOKENS = 8
"""Most tokens of one answer that a step evaluates (the library's max_q_size)."""
INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
CACHES: Mapping[CacheName, type[ExLlamaV2CacheBase]] = {
    "fp16": ExLlamaV2Cache,
    "q8": ExLlamaV2Cache_Q8,
    "q6": ExLlamaV2Cache_Q6,
    "q4": ExLlamaV2Cache_Q4,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """A loaded model and what belongs to it."""

    model: ExLlamaV2
    cache: ExLlamaV2CacheBase
    tokenizer: ExLlamaV2Tokenizer
    context_tokens: int
    """Longest sequence that the model takes."""
    adapters: Mapping[str, ExLlamaV2Lora] = field(default_factory=dict)
    draft_model: ExLlamaV2 | None = None
    draft_cache: ExLlamaV2CacheBase | None = None

    @property
    def vocabulary(self) -> int:
        """Tokens that have a meaning; the model's output is wider."""
        return int(self.tokenizer.get_vocab_size())

    def stop_tokens(self) -> frozenset[int]:
        """Tokens that end an answer: those of the chat format and those that the model names."""
        named = (getattr(self.model.config, "generation_config", None) or {}).get("eos_token_id")
        ids = [self.tokenizer.tokenizer_model.piece_to_id(name) for name in STOP_TOKENS]
        return frozenset(int(token) for token in [*ids, *(named or [])] if token is not None)


def has_paged_attention() -> bool:
    """Whether flash-attn is there, without which one job runs at a time."""
    return bool(attn.has_flash_attn_with_paged)


def open_model(folder: Path, context: int, settings: EngineSettings) -> ExLlamaV2:
    """Lay out a model for sequences of `context` tokens; AssertionError says what it lacks."""
    config = ExLlamaV2Config(str(folder))
    yarn = config.alt_rope_method == "yarn"
    trained = config.yarn_rope_original_max_position_embeddings if yarn else config.max_seq_len
    rows = -(-settings.batch * STEP_TOKENS // PAGE_TOKENS) * PAGE_TOKENS
    config.max_input_len = max(settings.prefill_chunk, rows)
    config.max_output_len = STEP_TOKENS
    config.no_sdpa = True  # where flash-attn is missing: it leaves out the causal mask (0.3.2)
    config.max_seq_len = context
    if context > trained:
        config.alt_rope_method = "yarn"
        config.yarn_rope_factor = context / trained
        config.yarn_rope_original_max_position_embeddings = trained
        rope.get_rope_params_yarn = reference_yarn
    return ExLlamaV2(config)


def open_tokenizer(model: ExLlamaV2) -> ExLlamaV2Tokenizer:
    """Read the tokenizer in a model's folder."""
    return ExLlamaV2Tokenizer(model.config)


def load_layers(model: ExLlamaV2, limits: Sequence[float], progress: Progress) -> None:
    """Load a model, its layers card by card; `limits` are GiB as the library counts them."""
    model.load(gpu_split=list(limits), callback=lambda done, total: progress(done / total))


def load_tensor_parallel(
    model: ExLlamaV2, shares: Sequence[float], cache: CacheName, pool: int, progress: Progress
) -> None:
    """Load a part of every layer onto every card, `shares` GiB of each at most."""
    model.load_tp(
        gpu_split=list(shares),
        callback=lambda done, total: progress(done / total),
        expect_cache_tokens=pool,
        expect_cache_base=CACHES[cache],
    )


def make_cache(model: ExLlamaV2, cache: CacheName, pool: int) -> ExLlamaV2CacheBase:
    """Allocate the pool beside a loaded model."""
    if model.tp_context is not None:
        return ExLlamaV2Cache_TP(model, base=CACHES[cache], max_seq_len=pool)
    return CACHES[cache](model, max_seq_len=pool)


def load_adapter(model: ExLlamaV2, folder: Path) -> ExLlamaV2Lora:
    """Load a LoRA adapter beside its model; ValueError or OSError says why not."""
    return follow_order(ExLlamaV2Lora.from_directory(model, str(folder)))


def make_generator(
    parts: Parts, settings: EngineSettings, *, paged: bool = True
) -> ExLlamaV2DynamicGenerator:
    """Make the library's scheduler around a loaded model, with an empty page table."""
    return ExLlamaV2DynamicGenerator(
        model=Likeliest(parts.model, parts.vocabulary),
        cache=parts.cache,
        tokenizer=parts.tokenizer,
        max_batch_size=settings.batch if paged else 1,
        max_chunk_size=settings.prefill_chunk,
        max_q_size=STEP_TOKENS,
        draft_model=parts.draft_model,
        draft_cache=parts.draft_cache,
        num_draft_tokens=DRAFT_TOKENS,
        max_ngram=NGRAM,
        use_ngram_draft=settings.speculative == "ngram",
        # Drawing tokens and what grammars allow is our own work: it needs none of its threads.
        max_sampling_threads=1,
        filter_background_eval=False,
        paged=paged,
    )


class Likeliest:
    """A model that finds the likeliest tokens of its output where that lies, for a whole batch."""

    def __init__(self, model: ExLlamaV2, vocabulary: int) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._found = torch.empty(0)
        self._read: NDArray[np.float32] | None = None

    def __getattr__(self, name: str) -> object:
        """Be the model in all else."""
        return getattr(self._model, name)

    def forward_chunk(self, *given: object, **named: object) -> dict[str, torch.Tensor]:
        """Let the model work; nothing waits for the card here."""
        output: dict[str, torch.Tensor] = self._model.forward_chunk(*given, **named)
        if "logits" in output:
            self._found, self._read = shortlist(output["logits"][..., : self._vocabulary]), None
        return output

    def row(self, logits: torch.Tensor) -> Row:
        """Return a row of the last output; the library's copy of it says which by its place."""
        if self._read is None:
            self._read = self._found.cpu().numpy()
        place = divmod(logits.storage_offset() // logits.shape[-1], STEP_TOKENS)
        likeliest, tokens = self._read[place]
        return Row(tokens.astype(np.int64), likeliest, logits[0, 0, : self._vocabulary])


class Answer(ExLlamaV2DynamicJob):  # type: ignore[misc]  # untyped library
    """A job in the library's form, with what the library does not keep of it."""

    held_text: str
    held_tokens: SeqTensor
    new_tokens: int

    def __init__(self, job: Job, parts: Parts, spare: int, beside: Executor) -> None:
        """`spare` tokens of room are what guessing ahead takes from the end of an answer.

        What a grammar allows is computed on the threads of `beside`.
        """
        self.order = job
        self.cached: int | None = None
        """Prompt tokens that needed no reading; None until the prompt is read."""
        self.sampled: list[Sampled] = []
        """Of tokens whose text has not been told yet."""
        self.told = 0
        """Tokens of which the engine has heard."""
        self.shown = 0
        """Tokens whose text has been told."""
        self.is_reading = False
        """True while a part of its prompt is on the card."""
        ends = parts.stop_tokens()
        # Half a surrogate pair never occurs in a text, and the library cannot encode it.
        stops = [stop for stop in job.stop if "" != stop == stop.encode(errors="ignore").decode()]
        mask = Mask(job.grammar, ends, parts.vocabulary, beside) if job.grammar else None
        self.dice = Dice(job.sampling, job.prompt, parts.vocabulary, mask)
        self._resumed = 0
        self._tokenizer = parts.tokenizer
        self._vocabulary = parts.vocabulary
        super().__init__(
            input_ids=torch.tensor([job.prompt], dtype=torch.long),
            max_new_tokens=job.max_tokens + spare,
            stop_conditions=[*ends, *stops],
        )

    @property
    def written(self) -> int:
        """Tokens sampled so far, the stop token included."""
        return self._resumed + self.new_tokens

    def prepare_for_queue(self, generator: ExLlamaV2DynamicGenerator, serial_number: int) -> None:
        """Get ready to be scheduled; text that is still held back survives it."""
        held = (self.held_text, self.held_tokens) if self._resumed else None
        super().prepare_for_queue(generator, serial_number)
        if held:
            self.held_text, self.held_tokens = held

    def prefill(self, results: list[dict[str, object]]) -> None:
        """Read a part of the prompt, and be known as the culprit if that fails."""
        self.is_reading = True
        super().prefill(results)
        self.is_reading = False

    def receive_logits(self, logits: torch.Tensor) -> tuple[object, ...]:
        """Draw a token, in our own way: the library's takes up to 4 ms of the processor for it."""
        row = self.generator.model.row(logits)
        token = self.dice.draw(row)
        rivals = self.order.top_logprobs
        if rivals is not None:
            # The model's own likelihoods, before bias, penalties and grammar.
            scores = torch.log_softmax(row.whole, dim=-1)
            self.sampled.append(weigh(scores, token, rivals, self._bytes_of))
        return torch.tensor([[token]]), None, None, None, False

    def receive_sample(
        self, logits: torch.Tensor, next_token: torch.Tensor, *rest: object
    ) -> tuple[bool, torch.Tensor]:
        """Take a token in; first make those characters whole that can be.

        The library (0.3.2) gives up on five bytes of unfinished characters, and tokens that end
        within characters one after another add up to that.
        """
        if INCOMPLETE in self.held_text:
            self.held_text = self._tokenizer.decode(self.held_tokens.torch())[0]
        taken: tuple[bool, torch.Tensor] = super().receive_sample(logits, next_token, *rest)
        return taken

    def rewind(self) -> None:
        """Go back to before the queue with all that was written, to be read again as prompt."""
        self._resumed += self.new_tokens
        self.max_new_tokens -= self.new_tokens
        self.new_tokens = self.cached_pages = self.cached_tokens = 0
        self.is_reading = False
        for sequence in self.sequences:
            sequence.kv_position = 0
            sequence.allocated_pages = sequence.block_index_tensor = None
            sequence.prefill_complete = False

    def _bytes_of(self, token: int) -> bytes:
        return token_bytes(self._tokenizer.tokenizer_model.id_to_piece(token))
