"""Transformers as an `Engine`: chunked prefill, batched decoding and prefix reuse of our own."""

import gc
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import structlog
import torch

from config.engine import EngineSettings
from inference.engines.drawing import Row, read_rows
from inference.engines.faults import is_broken_card, is_out_of_memory, job_fault
from inference.engines.hf import Network
from inference.engines.hf_answer import Answer, Vocabulary
from inference.engines.past import Rows, Shelf
from inference.jobs.engine import (
    EngineBrokenError,
    EngineFacts,
    JobRefusedError,
    OutOfMemoryError,
)
from inference.jobs.job import Ended, Event, Job, Prefilled
from inference.text.tokenizer import ChatTokenizer

log = structlog.get_logger()

NAME = "transformers"


class TransformersEngine:
    """Each step reads a chunk of each open prompt and writes a token of each answer.

    When memory runs out, the answer that asked for it last fails; what the others have read stays.
    """

    def __init__(
        self,
        network: Network,
        tokenizer: ChatTokenizer,
        settings: EngineSettings,
        facts: EngineFacts,
    ) -> None:
        """`facts` says what was found to fit."""
        self.facts = facts
        self._network = network
        self._chunk = settings.prefill_chunk
        self._vocabulary = Vocabulary(tokenizer, facts.vocabulary, network.ends)
        self._waiting: deque[Job] = deque()
        self._running: dict[str, Answer] = {}
        self._events: list[Event] = []
        """Told with the next step, even if this one fails."""
        self._shelf = Shelf(facts.pool_tokens)
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="grammar")

    def start(self, job: Job) -> None:
        """Take a job up; it waits until the pool has room for all that it may become."""
        if fault := job_fault(job, self.facts):
            raise JobRefusedError(fault)
        self._waiting.append(job)

    def cancel(self, job: str) -> None:
        """End a job at once; what it has read stays known for a while."""
        self._waiting = deque(each for each in self._waiting if each.id != job)
        if answer := self._running.pop(job, None):
            self._shelf.keep(answer.past)

    def step(self) -> list[Event]:
        """Read a chunk of each open prompt and write a token of each answer."""
        self._let_in()
        for answer in list(self._running.values()):
            self._read_prompt(answer)
        ready = sorted(
            [each for each in self._running.values() if each.is_read],
            key=lambda each: each.job.adapter,
        )
        for adapter, answers in groupby(ready, lambda each: each.job.adapter):
            self._write(list(answers), adapter)
        events, self._events = self._events, []
        return events

    def recover(self) -> None:
        """Give back all memory that running answers do not need."""
        self._shelf.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Free the cards."""
        self._beside.shutdown()
        self._running.clear()
        self._shelf.clear()
        self._network.close()

    def _let_in(self) -> None:
        while self._waiting and len(self._running) < self.facts.batch:
            reserved = sum(each.past.room for each in self._running.values())
            job = self._waiting[0]
            wanted = reserved + len(job.prompt) + job.max_tokens
            if wanted > self.facts.pool_tokens:
                return
            self._shelf.make_room(wanted)
            self._begin(Answer(self._waiting.popleft(), self._vocabulary, self._beside))

    def _begin(self, answer: Answer) -> None:
        running = [each.past for each in self._running.values()]
        self._running[answer.job.id] = answer
        try:
            answer.cached = self._shelf.begin(answer.past, answer.job.prompt, running)
        except RuntimeError as error:
            self._fail([answer], error)

    def _read_prompt(self, answer: Answer) -> None:
        if chunk := answer.unread[: self._chunk]:
            self._forward([answer], [chunk])
        if answer.job.id in self._running and not answer.is_read and not answer.unread:
            answer.is_read = True
            self._events.append(Prefilled(answer.job.id, answer.cached))

    def _write(self, answers: Sequence[Answer], adapter: str) -> None:
        rows = self._forward(answers, [[each.last] for each in answers], adapter)
        if rows is None:
            return
        for answer, row in zip(answers, rows, strict=True):
            for event in answer.take(row):
                self._events.append(event)
                if isinstance(event, Ended):
                    self.cancel(answer.job.id)

    def _forward(
        self, answers: Sequence[Answer], tokens: Sequence[Sequence[int]], adapter: str | None = None
    ) -> list[Row] | None:
        """Read tokens of each answer; None if they failed and were told so."""
        pasts = Rows([each.past for each in answers])
        try:
            logits = self._network.read(
                pasts, tokens, answers[0].job.adapter if adapter is None else adapter
            )
            rows = list(read_rows(logits[:, : self._vocabulary.size]))
        except Exception as error:  # noqa: BLE001 - sorted: memory, the card, or else its jobs fail
            self._fail(answers, error)
            return None
        for answer, added in zip(answers, tokens, strict=True):
            answer.past.tokens += added
        return rows

    def _fail(self, answers: Sequence[Answer], error: Exception) -> None:
        """Sort what went wrong: memory, the card, or else the answers at work fail."""
        if is_out_of_memory(error):
            culprit = answers[-1].job.id
            del self._running[culprit]
            raise OutOfMemoryError((culprit,)) from error
        if is_broken_card(error):
            raise EngineBrokenError(f"{type(error).__name__} on the card") from error
        kind = type(error).__name__
        log.error("a step of the engine failed", kind=kind, jobs=len(answers))
        for answer in answers:
            del self._running[answer.job.id]
            self._events.append(answer.end("failed", f"{kind} in the engine"))
