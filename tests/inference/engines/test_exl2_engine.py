"""The real scheduler and page cache of ExLlamaV2, under a model without weights."""

import threading
import weakref
from dataclasses import replace
from itertools import pairwise

import pytest
from peers import exl2_stub

exl2_stub.install()

from peers.exl2_fake import (  # noqa: E402
    GREEDY,
    TOKENIZER,
    FakeCache,
    FakeLora,
    FakeModel,
    babble,
    fake_config,
    fake_engine,
    fake_parts,
    fake_tokenizer,
    prompt,
    says,
    script,
    with_tokens,
    work,
)
from peers.qwen import real_tokenizer  # noqa: E402

from config.engine import EngineSettings  # noqa: E402
from inference.engines.exl2 import Parts  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402
from inference.jobs.engine import JobRefusedError, OutOfMemoryError  # noqa: E402
from inference.jobs.job import Job  # noqa: E402
from inference.text.tokenizer import ChatTokenizer, Mark  # noqa: E402

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.model

END = TOKENIZER.id_of(Mark.END)


def model_of(engine):
    return engine._parts.model


# What is said


def test_tokens_that_end_within_characters_one_after_another_are_put_together():
    """ExLlamaV2 0.3.2 alone lets half characters through here."""
    whole = "退货申请".encode()
    cuts = [0, 2, 4, 7, 9, 12]
    tokenizer, ids = with_tokens(*[whole[start:end] for start, end in pairwise(cuts)])
    model = FakeModel(fake_config(tokenizer), script(*ids, END))
    parts = Parts(model, FakeCache(4096), fake_tokenizer(tokenizer), context_tokens=4096)
    told = work(Exl2Engine(parts, EngineSettings()), Job("a", prompt("hi"), 99, GREEDY))["a"]
    assert told.text == "退货申请"


# How it is drawn


def test_qwens_own_tokenizer_ends_answers_at_both_of_its_ends_and_cuts_no_character():
    tokenizer = real_tokenizer()
    chat = ChatTokenizer(tokenizer)
    text = "您好👋🏽，退货请在30天内寄回：𠮷野家。"
    for end in (151_645, 151_643):
        model = FakeModel(fake_config(tokenizer), after(4, [*chat.encode(text), end, 0]))
        parts = Parts(model, FakeCache(1024), fake_tokenizer(tokenizer), context_tokens=1024)
        assert parts.stop_tokens() == {151_645, 151_643}
        engine = Exl2Engine(parts, EngineSettings())
        told = work(engine, Job("a", [1, 2, 3, 4], 99, GREEDY))["a"]
        assert (told.text, told.end.reason) == (text, "stop")
        assert not any("\ufffd" in piece.text for piece in told.pieces)
        engine.close()


def after(length: int, tokens: list[int]):
    """Say these tokens after a prompt of so many."""
    return lambda known: tokens[len(known) - length]


# Pages and prefixes


@pytest.mark.parametrize("stops", [("",), ("\ud83d",), ("", "\udc00x", "#")])
def test_stop_texts_that_cannot_occur_do_no_harm(stops):
    told = work(fake_engine(says("a b")), Job("a", prompt("hi"), 50, GREEDY, stop=stops))["a"]
    assert told.text == "a b"


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 511, 512, 513])
def test_a_prompt_may_have_any_length(length):
    tokens = (prompt("x " * 600))[-length:]
    whole = [*tokens, *answer_to(tokens, 3)]
    engine = fake_engine(babble)
    for name in ("cold", "warm"):
        told = work(engine, Job(name, tokens, 3, GREEDY, top_logprobs=0))[name]
        said = [each.chosen.token for piece in told.pieces for each in piece.sampled]
        assert [*tokens, *said] == whole


def answer_to(tokens: list[int], count: int) -> list[int]:
    known = list(tokens)
    for _ in range(count):
        known.append(babble(known))
    return known[len(tokens) :]


def test_pages_moved_together_after_a_busy_time_are_still_right():
    engine = fake_engine(babble, pool=2048)
    expected = {}
    for number in range(30):
        job = Job(str(number), prompt(f"{number % 7} rules " * 90), 40, GREEDY)
        told = work(engine, job)[job.id]
        assert expected.setdefault(number % 7, told.text) == told.text


def test_without_pages_answers_are_the_same_one_after_another():
    jobs = [Job(str(n), prompt(f"{n} rules " * 50), 20, GREEDY) for n in range(3)]
    paged = work(fake_engine(babble), *jobs)
    single = fake_engine(babble, paged=False)
    assert single.facts.batch == 1
    unpaged = work(single, *jobs)
    assert {n: told.text for n, told in unpaged.items()} == {n: t.text for n, t in paged.items()}
    assert max(model_of(single).widths) == 1


# Faults


def test_what_was_computed_is_let_go_of_before_memory_is_asked_for_again():
    engine, computed = fake_engine(babble), []

    def fail(count: int, reading: bool) -> None:
        activations = torch.zeros(8)
        computed.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("out of memory")

    model_of(engine).before = fail
    engine.start(Job("a", prompt("hi"), 5, GREEDY))
    with pytest.raises(OutOfMemoryError) as caught:
        engine.step()
    assert computed[0]() is None
    assert caught.value.failed == ("a",)


class Anything:
    is_complete = False

    def fill(self, mask: memoryview) -> None:
        torch.frombuffer(mask, dtype=torch.int32).fill_(-1)

    def accept(self, token: int) -> bool:
        return True


def test_closing_ends_all_threads_and_unloads_the_model():
    before = set(threading.enumerate())
    engine = fake_engine(babble)
    for name in "abcd":
        engine.start(Job(name, prompt(name), 30, GREEDY, grammar=Anything()))
    engine.step()
    threads = set(threading.enumerate()) - before
    assert threads
    engine.close()
    assert model_of(engine).unloaded
    assert not any(thread.is_alive() for thread in threads)


def test_a_trial_reads_the_longest_prompt_and_fills_the_batch_and_leaves_no_page():
    engine = fake_engine(babble, pool=2048, batch=5)
    engine.rehearse()
    assert sum(model_of(engine).read) >= 2046
    assert max(model_of(engine).widths) == 5
    assert work(engine, Job("a", prompt("hi"), 5, GREEDY))["a"].cached == 0


# Adapters


def test_a_job_of_another_adapter_is_refused_while_jobs_run():
    """ExLlamaV2 0.3.2 would answer it with the adapter of the others."""
    parts = fake_parts(babble, 8192, adapters={"red": FakeLora(1), "blue": FakeLora(2)})
    engine = Exl2Engine(parts, EngineSettings(batch=4))
    tuned = {name: Job(name, prompt("rules"), 20, GREEDY, adapter=name) for name in ("red", "blue")}
    engine.start(tuned["red"])
    with pytest.raises(JobRefusedError, match='of the adapter "red" run: "blue" has to wait'):
        engine.start(tuned["blue"])
    engine.cancel("red")
    assert work(engine, tuned["blue"])["blue"].end.completion_tokens == 20


# Guessing ahead


def test_guessing_from_the_text_changes_speed_and_nothing_else():
    text = "one two three one two three one two three one two"
    job = Job("a", prompt("one two three " * 9), 30, GREEDY)
    plain = work(fake_engine(says(text)), job)["a"]
    engine = fake_engine(says(text), speculative="ngram")
    guessed = work(engine, job)["a"]
    assert guessed.text == plain.text
    assert guessed.end == replace(plain.end)
    assert len(model_of(engine).widths) < plain.end.completion_tokens


def test_a_prompt_too_short_to_guess_from_is_refused():
    """ExLlamaV2 0.3.2 would fail on it, and with it all that runs."""
    engine = fake_engine(says("hi"), speculative="ngram")
    with pytest.raises(JobRefusedError, match="3 tokens"):
        engine.start(Job("a", [1, 2], 5))
    assert work(engine, Job("b", prompt("hi"), 50, GREEDY))["b"].text == "hi"
    fake_engine(babble, speculative="ngram").rehearse()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 30])
def test_guessing_ahead_takes_nothing_from_the_length_of_an_answer(count):
    engine = fake_engine(says("one two three " * 20), speculative="ngram")
    told = work(engine, Job("a", prompt("one two three " * 9), count, GREEDY))["a"]
    assert told.end.completion_tokens == told.tokens == count


def test_a_small_model_guesses_for_the_large_one():
    speak = says("what both say, word for word")
    small = FakeModel(fake_config(), speak)
    parts = fake_parts(speak, 4096, draft_model=small, draft_cache=FakeCache(4096))
    settings = EngineSettings(speculative="draft", draft_dir="small")
    engine = Exl2Engine(parts, settings)
    told = work(engine, Job("a", prompt("hi"), 60, GREEDY))["a"]
    assert told.text == "what both say, word for word"
    assert len(model_of(engine).widths) < told.end.completion_tokens / 2


def test_the_longest_sequence_leaves_room_for_guesses():
    assert fake_engine(babble, speculative="ngram").facts.context_tokens == 4096 - 4
