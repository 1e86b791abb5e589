"""Grammars in answers under ExLlamaV2's real scheduler."""

import threading
from collections.abc import Sequence

import pytest
from peers import exl2_stub

exl2_stub.install()

import torch  # noqa: E402
from peers.exl2_fake import (  # noqa: E402
    GREEDY,
    TOKENIZER,
    Told,
    babble,
    fake_engine,
    note,
    prompt,
    says,
    work,
)

from inference.jobs.engine import OutOfMemoryError  # noqa: E402
from inference.jobs.job import Job  # noqa: E402

pytestmark = pytest.mark.model


class Litany:
    """Allows one text alone, token after token."""

    def __init__(self, text: str, *, refuses_at: int = -1) -> None:
        self.left = TOKENIZER.encode(text)
        self.refuses_at = refuses_at
        self.said: list[int] = []
        self.threads: list[int] = []

    def fill(self, mask: memoryview) -> None:
        self.threads.append(threading.get_ident())
        words = torch.frombuffer(mask, dtype=torch.int32)
        token = self.left[0]
        words[token // 32] |= 1 << (token % 32) if token % 32 < 31 else -(1 << 31)

    def accept(self, token: int) -> bool:
        self.said.append(token)
        if len(self.said) == self.refuses_at or token != self.left[0]:
            return False
        del self.left[0]
        return True

    @property
    def is_complete(self) -> bool:
        return not self.left


def job(name: str, grammar: Litany | None, count: int = 60, text: str = "hi") -> Job:
    return Job(name, prompt(text), count, GREEDY, grammar=grammar)


def test_a_grammar_decides_what_is_said_and_when_it_ends():
    told = work(fake_engine(says("something else")), job("a", Litany('{"yes": 1}')))["a"]
    assert (told.text, told.end.reason) == ('{"yes": 1}', "stop")


def test_masks_are_computed_beside_the_forward_pass():
    grammar = Litany("a text of some length")
    length = len(grammar.left)
    work(fake_engine(says("no")), job("a", grammar))
    assert len(grammar.threads) == length
    assert threading.get_ident() not in grammar.threads


def test_grammars_of_several_jobs_keep_apart():
    texts = [f'{{"number": {number * 37}}}' for number in range(8)]
    jobs = [job(text, Litany(text), text=text) for text in texts]
    told = work(fake_engine(babble, pool=8192), *jobs, job("free", None, 20))
    assert [told[text].text for text in texts] == texts
    assert told["free"].end.completion_tokens == 20


def test_a_grammar_that_refuses_what_it_allowed_fails_its_own_job_alone():
    told = work(
        fake_engine(says("abcdef")), job("a", Litany("abcdef", refuses_at=2)), job("b", None)
    )
    assert told["a"].end.reason == "failed"
    assert "grammar" in told["a"].end.fault
    assert told["b"].text == "abcdef"


def test_an_answer_cut_short_by_its_length_leaves_its_grammar_where_it_is():
    grammar = Litany("a text of some length")
    told = work(fake_engine(says("no")), job("a", grammar, 3))["a"]
    assert told.end.reason == "length"
    assert len(grammar.said) == 3


def test_guessing_ahead_keeps_to_the_grammar():
    text = "one two three one two three one two three"
    for speak in (says(text), says("wrong " * 20)):
        engine = fake_engine(speak, speculative="ngram")
        told = work(engine, job("a", Litany(text), text="one two three " * 5))["a"]
        assert told.text == text


def test_a_grammar_goes_on_where_it_was_when_memory_ran_out():
    engine = fake_engine(babble)
    left = [6]

    def fail(count: int, reading: bool) -> None:
        left[0] -= not reading
        if left[0] == 0 and not reading:
            raise torch.OutOfMemoryError("out of memory")

    engine._parts.model.before = fail
    engine.start(job("a", Litany("a text of some length")))
    engine.start(job("b", None))
    told = {"a": Told(), "b": Told()}
    with pytest.raises(OutOfMemoryError):
        _step(engine, told)
    engine.recover()
    _step(engine, told)
    assert told["a"].text == "a text of some length"


def test_a_cancelled_job_leaves_no_mask_behind_for_the_next():
    engine = fake_engine(says("fine"))
    engine.start(job("a", Litany("never said to the end")))
    engine.step()
    engine.cancel("a")
    assert work(engine, job("b", None))["b"].text == "fine"


def _step(engine, told: dict[str, Told], steps: int = 60) -> Sequence[Told]:
    for _ in range(steps):
        for event in engine.step():
            note(told[event.job], event)
    return list(told.values())
