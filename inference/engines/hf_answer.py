"""One answer of the Transformers engine: its sequence, its sampling and its text."""

from collections.abc import Iterator
from concurrent.futures import Executor

import torch

from inference.engines.drawing import Dice, Row
from inference.engines.masks import Mask
from inference.engines.past import Past
from inference.engines.pieces import token_bytes
from inference.engines.sampling import weigh
from inference.engines.writing import Writer
from inference.jobs.job import Ended, EndReason, Event, Job, Piece, Sampled
from inference.text.tokenizer import ChatTokenizer, Mark


class Vocabulary:
    """The tokens that an answer is made of."""

    def __init__(self, tokenizer: ChatTokenizer, size: int, ends: frozenset[int]) -> None:
        """Only the first `size` tokens are drawn; `ends` are those that a model's files name."""
        self.size = size
        self.ends = ends | {tokenizer.id_of(mark) for mark in (Mark.END, Mark.END_OF_TEXT)}
        self._silent = self.ends | tokenizer.silent
        self._tokenizer = tokenizer

    def letters(self, token: int) -> bytes:
        """Return the bytes by which a token is known."""
        return token_bytes(self._tokenizer.piece(token))

    def said(self, token: int) -> bytes:
        """Return the bytes that a token adds to an answer; control tokens add none."""
        return b"" if token in self._silent else self.letters(token)


class Answer:
    """What has become of a job."""

    def __init__(self, job: Job, vocabulary: Vocabulary, beside: Executor) -> None:
        """What a grammar allows is computed on the threads of `beside`."""
        self.job = job
        self.past = Past(len(job.prompt) + job.max_tokens, job.adapter)
        self.cached = 0
        """Prompt tokens that needed no reading."""
        self.is_read = False
        """Whether it was told that the prompt is read."""
        self.last = job.prompt[-1]
        """The token to go on from."""
        mask = Mask(job.grammar, vocabulary.ends, vocabulary.size, beside) if job.grammar else None
        self._vocabulary = vocabulary
        self._dice = Dice(job.sampling, job.prompt, vocabulary.size, mask)
        self._writer = Writer(job.stop)
        self._written = 0
        self._shown = 0
        self._sampled: list[Sampled] = []

    @property
    def unread(self) -> list[int]:
        """The part of the prompt still to be read before the answer can begin."""
        return list(self.job.prompt[len(self.past.tokens) : -1])

    def take(self, row: Row) -> Iterator[Event]:
        """Draw the next token from a model's output and say what it makes known."""
        token = self._draw(row)
        if self._dice.fault:
            yield self.end("failed", self._dice.fault)
            return
        text = self._writer.add(self._vocabulary.said(token))
        is_over = self._writer.is_stopped or token in self._vocabulary.ends
        is_last = is_over or self._written == self.job.max_tokens
        if is_last:
            text += self._writer.close()
        if text or (is_last and self._sampled):
            yield self._piece(text)
        if is_last:
            yield self.end("stop" if is_over else "length")

    def end(self, reason: EndReason, fault: str = "") -> Ended:
        """Say that it ends."""
        return Ended(
            self.job.id,
            reason,
            prompt_tokens=len(self.job.prompt),
            cached_tokens=self.cached,
            completion_tokens=self._written,
            fault=fault,
        )

    def _draw(self, row: Row) -> int:
        token = self._dice.draw(row)
        rivals = self.job.top_logprobs
        if rivals is not None and token not in self._vocabulary.ends:
            # The model's own likelihoods, before bias, penalties and grammar.
            scores = torch.log_softmax(row.whole.float(), dim=-1)
            self._sampled.append(weigh(scores, token, rivals, self._vocabulary.letters))
        self.last = token
        self._written += 1
        return token

    def _piece(self, text: str) -> Piece:
        tokens, self._shown = self._written - self._shown, self._written
        sampled, self._sampled = tuple(self._sampled), []
        return Piece(self.job.id, text, tokens, sampled)
