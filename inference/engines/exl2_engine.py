"""ExLlamaV2's scheduler as an `Engine`."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from traceback import clear_frames

import structlog
import torch

from config.engine import PAGE_TOKENS, EngineSettings
from inference.engines.exl2 import (
    DRAFT_TOKENS,
    NGRAM,
    Answer,
    Parts,
    make_generator,
)
from inference.engines.exl2_pages import Shelves
from inference.engines.exl2_results import Result, read_result
from inference.engines.faults import is_broken_card, is_out_of_memory, job_fault
from inference.jobs.engine import (
    EngineBrokenError,
    EngineFacts,
    JobRefusedError,
    OutOfMemoryError,
)
from inference.jobs.job import Ended, EndReason, Event, Job, Piece, Prefilled

log = structlog.get_logger()

NAME = "exllamav2"


class Exl2Engine:
    """Works on jobs with the library's own scheduler, page cache and prefix reuse.

    When memory runs out, the job that asked for it fails: the one whose prompt was being read, else
    the one that began last. All others go on where they were: a new generator reads their prompts
    and what they have written again, and the next token is drawn as if nothing had been.
    """

    def __init__(self, parts: Parts, settings: EngineSettings, *, paged: bool = True) -> None:
        """Without `paged`, which needs no flash-attn, one job runs at a time."""
        self._parts = parts
        self._settings = settings
        self._paged = paged
        self._spare = 0 if settings.speculative == "off" else DRAFT_TOKENS
        self._running: dict[str, Answer] = {}
        self._adapter = ""
        self._shelves = Shelves()
        self._beside = ThreadPoolExecutor(thread_name_prefix="grammar")
        self._generator = make_generator(parts, settings, paged=paged)

    @property
    def facts(self) -> EngineFacts:
        """What it holds."""
        pool = int(self._parts.cache.max_seq_len)
        context = min(self._parts.context_tokens, pool) - self._spare
        return EngineFacts(
            name=NAME,
            context_tokens=context,
            pool_tokens=pool,
            page_tokens=PAGE_TOKENS if self._paged else pool,
            batch=self._settings.batch if self._paged else 1,
            vocabulary=self._parts.vocabulary,
            adapters=tuple(self._parts.adapters),
            mixes_adapters=False,
        )

    def start(self, job: Job) -> None:
        """Take a job up; refuses one of another adapter than the jobs that run have."""
        if fault := job_fault(job, self.facts):
            raise JobRefusedError(fault)
        if self._settings.speculative == "ngram" and len(job.prompt) < NGRAM - 1:
            text = f"a prompt needs {NGRAM - 1} tokens where the text itself is guessed from"
            raise JobRefusedError(text)
        if job.adapter != self._adapter:
            self._change_adapter(job.adapter)
        answer = Answer(job, self._parts, self._spare, self._beside)
        self._generator.enqueue(answer)
        self._running[job.id] = answer

    def cancel(self, job: str) -> None:
        """End a job at once; its pages stay known until they are needed."""
        if answer := self._running.pop(job, None):
            self._generator.cancel(answer)

    def step(self) -> list[Event]:
        """Let the library do one iteration: a chunk of each open prompt, a token of each answer."""
        try:
            results = self._generator.iterate()
        except Exception as error:  # noqa: BLE001 - sorted: memory, the card, or else its jobs fail
            return self._fail(error)
        return [event for result in results for event in self._tell(result)]

    def rehearse(self) -> None:
        """Read the longest prompt and write to a full batch once: memory is asked for now or never.

        Kernels choose their shapes on the way, too. Raises what `step` raises.
        """
        longest = self.facts.context_tokens - 1
        pages = self.facts.pool_tokens // self.facts.page_tokens
        self._try_out([longest])
        self._try_out([NGRAM] * min(self.facts.batch, pages))
        self._generator.reset_page_table()

    def recover(self) -> None:
        """Make a new generator with an empty page table; running jobs go on in it."""
        answers = list(self._running.values())
        del self._generator
        gc.collect()
        torch.cuda.empty_cache()
        self._generator = make_generator(self._parts, self._settings, paged=self._paged)
        self._shelves = Shelves()
        self._use_adapter()
        for answer in answers:
            answer.rewind()
            self._generator.enqueue(answer)

    def close(self) -> None:
        """Free the cards."""
        self._running.clear()
        self._generator.clear_queue()
        self._beside.shutdown()
        for model in (self._parts.model, self._parts.draft_model):
            if model is not None:
                model.unload()

    def _try_out(self, lengths: list[int]) -> None:
        rest = self.facts.vocabulary - 1
        for number, length in enumerate(lengths):
            tokens = [(number + 1) * (place + 1) % rest for place in range(length)]
            self.start(Job(f"trial-{number}", tokens, 1))
        while self._running:
            for event in self.step():
                if isinstance(event, Ended) and event.reason == "failed":
                    raise EngineBrokenError(event.fault)

    def _change_adapter(self, adapter: str) -> None:
        """ExLlamaV2 0.3.2 applies one set of adapters to all jobs and changes it between them."""
        if self._running:
            text = f'jobs of the adapter "{self._adapter}" run: "{adapter}" has to wait'
            raise JobRefusedError(text)
        self._shelves.change(self._generator, self._adapter, adapter)
        self._adapter = adapter
        self._use_adapter()

    def _use_adapter(self) -> None:
        # Not by `set_loras`: it makes an empty list of None, and the layers (0.3.2) take its first.
        adapter = self._parts.adapters[self._adapter] if self._adapter else None
        self._generator.current_loras = [adapter] if adapter else None

    def _tell(self, result: Result) -> Iterator[Event]:
        """Say in our words what the library says of one job."""
        answer = result["job"]
        job = answer.order
        if result["stage"] != "streaming" or job.id not in self._running:
            return
        answer.told += 1
        if answer.cached is None:
            answer.cached = answer.cached_pages * self._generator.page_size + answer.cached_tokens
            yield Prefilled(job.id, answer.cached)
        if answer.dice.fault:
            self.cancel(job.id)
            yield _ended(answer, "failed", answer.dice.fault)
            return
        text, reason = read_result(result, job.stop, self._decode)
        if piece := _piece(answer, text, result):
            yield piece
        if result["eos"]:
            del self._running[job.id]
            yield _ended(answer, reason)

    def _decode(self, tokens: torch.Tensor) -> str:
        return str(self._parts.tokenizer.decode(tokens)[0])

    def _fail(self, error: Exception) -> list[Event]:
        """Sort what went wrong: memory, the card, or else the jobs that were at work fail."""
        # Frames keep what they had computed, on a card that has no room for it.
        clear_frames(error.__traceback__)
        active = [each for each in self._generator.active_jobs if each.order.id in self._running]
        if is_out_of_memory(error):
            failed = self._drop(_culprits(active))
            raise OutOfMemoryError(tuple(each.order.id for each in failed)) from error
        if is_broken_card(error):
            raise EngineBrokenError(f"{type(error).__name__} on the card") from error
        kind = type(error).__name__
        log.error("a step of the engine failed", kind=kind, jobs=len(active))
        failed = self._drop(active or self._generator.pending_jobs)
        self.recover()
        return [_ended(each, "failed", f"{kind} in the engine") for each in failed]

    def _drop(self, answers: list[Answer]) -> list[Answer]:
        for each in answers:
            self._running.pop(each.order.id, None)
        return list(answers)


def _culprits(active: list[Answer]) -> list[Answer]:
    """Say which jobs fail when memory ran out: also those that lost a token on the way."""
    reading = [each for each in active if each.is_reading]
    robbed = [each for each in active if each.written != each.told]
    return robbed + [each for each in reading or active[-1:] if each not in robbed]


def _piece(answer: Answer, text: str, result: Result) -> Piece | None:
    tokens = answer.told - answer.shown
    sampled = answer.sampled[:tokens]
    if result.get("eos_reason") == "stop_token":
        sampled = sampled[: tokens - 1]
    if not text and not (result["eos"] and sampled):
        return None
    answer.shown = answer.told
    answer.sampled = answer.sampled[tokens:]
    return Piece(answer.order.id, text, tokens, tuple(sampled))


def _ended(answer: Answer, reason: EndReason, fault: str = "") -> Ended:
    return Ended(
        answer.order.id,
        reason,
        prompt_tokens=len(answer.order.prompt),
        cached_tokens=answer.cached or 0,
        completion_tokens=answer.told,
        fault=fault,
    )
