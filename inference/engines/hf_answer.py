"""One answer of the Transformers engine: its sequence, its sampling and its text."""

from collections.abc import Callable, Iterator

import torch

from inference.engines.drawing import Dice
from inference.engines.masks import Mask
from inference.engines.past import Past
from inference.engines.sampling import weigh
from inference.engines.writing import Writer
from inference.serving.job import Ended, EndReason, Event, Job, Piece, Sampled


class Answer:
    """What has become of a job."""

    def __init__(self, job: Job, vocabulary: int, ends: frozenset[int]) -> None:
        """`vocabulary` is how many tokens there are, `ends` those that end an answer."""
        self.job = job
        self.past = Past(len(job.prompt) + job.max_tokens, job.adapter)
        self.cached = 0
        """Prompt tokens that needed no reading."""
        self.is_read = False
        """Whether it was told that the prompt is read."""
        self.last = job.prompt[-1]
        """The token to go on from."""
        self.mask = Mask(job.grammar, ends, vocabulary) if job.grammar else None
        self._ends = ends
        self._dice = Dice(job.sampling, job.prompt, vocabulary)
        self._writer = Writer(job.stop)
        self._written = 0
        self._shown = 0
        self._sampled: list[Sampled] = []

    @property
    def unread(self) -> list[int]:
        """The part of the prompt still to be read before the answer can begin."""
        return list(self.job.prompt[len(self.past.tokens) : -1])

    def take(self, logits: torch.Tensor, bytes_of: Callable[[int], bytes]) -> Iterator[Event]:
        """Draw the next token and say what it makes known."""
        token = self._draw(logits, bytes_of)
        if self.mask and self.mask.is_broken:
            yield self.end("failed", "the grammar refused what it had allowed")
            return
        is_end = token in self._ends
        text = self._writer.close() if is_end else self._writer.add(bytes_of(token))
        is_full = self._written == self.job.max_tokens and not self._writer.is_stopped
        if is_full and not is_end:
            text += self._writer.close()
        is_last = is_end or is_full or self._writer.is_stopped
        if text or (is_last and self._sampled):
            yield self._piece(text)
        if is_last:
            yield self.end("stop" if is_end or self._writer.is_stopped else "length")

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

    def _draw(self, logits: torch.Tensor, bytes_of: Callable[[int], bytes]) -> int:
        weighed = self._dice.weigh(logits)
        if self.mask:
            weighed = self.mask.apply(weighed.clone())
        token = self._dice.draw(weighed)
        self._dice.note(token)
        if self.mask:
            self.mask.accept(token)
        if self.job.top_logprobs is not None and token not in self._ends:
            # The model's own likelihoods, before bias, penalties and grammar.
            scores = torch.log_softmax(logits, dim=-1)
            self._sampled.append(weigh(scores, token, self.job.top_logprobs, bytes_of))
        self.last = token
        self._written += 1
        return token

    def _piece(self, text: str) -> Piece:
        tokens, self._shown = self._written - self._shown, self._written
        sampled, self._sampled = tuple(self._sampled), []
        return Piece(self.job.id, text, tokens, sampled)
