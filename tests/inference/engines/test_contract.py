"""What every engine does alike, on models without weights that say what they are told to say."""

import json
import threading
from dataclasses import replace

import pytest
from peers import exl2_stub

exl2_stub.install()

from peers.exl2_fake import (  # noqa: E402
    GREEDY,
    OVERFLOW,
    TOKENIZER,
    FakeLora,
    Told,
    babble,
    fake_parts,
    note,
    prompt,
    says,
    script,
    work,
)
from peers.hf_fake import hf_engine  # noqa: E402

from config.engine import EngineSettings  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402
from inference.engines.pieces import letters_of_bytes  # noqa: E402
from inference.jobs.engine import (  # noqa: E402
    EngineBrokenError,
    JobRefusedError,
    OutOfMemoryError,
)
from inference.jobs.job import Ended, Job, Sampling  # noqa: E402
from inference.text.grammar import Grammars  # noqa: E402
from inference.text.tokenizer import Mark  # noqa: E402

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.model

END = TOKENIZER.id_of(Mark.END)


def make_exl2(speak, pool, adapters, **settings):
    loras = {name: FakeLora(number) for name, number in adapters.items()}
    return Exl2Engine(fake_parts(speak, pool, adapters=loras), EngineSettings(**settings))


@pytest.fixture(params=["exllamav2", "transformers"])
def make(request):
    """Makes an engine of a model that speaks as it is told."""
    maker = make_exl2 if request.param == "exllamav2" else hf_engine
    engines = []

    def make(speak, pool=4096, adapters=None, **settings):
        engines.append(maker(speak, pool, adapters or {}, **settings))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def model_of(engine):
    return engine._parts.model if isinstance(engine, Exl2Engine) else engine._network._model


# What is said


def test_an_answer_is_streamed_until_the_model_ends_it(make):
    told = work(make(says("Hello, world")), Job("a", prompt("hi"), 50, GREEDY))["a"]
    assert told.text == "Hello, world"
    assert told.end == Ended("a", "stop", len(prompt("hi")), 0, told.end.completion_tokens)
    assert told.end.completion_tokens == len(TOKENIZER.encode("Hello, world")) + 1
    assert len(told.pieces) > 3


@pytest.mark.parametrize("mark", [Mark.END, Mark.END_OF_TEXT])
def test_both_ends_of_the_chat_format_end_an_answer(make, mark):
    speak = script(*TOKENIZER.encode("so"), TOKENIZER.id_of(mark), *TOKENIZER.encode("never"))
    told = work(make(speak), Job("a", prompt("hi"), 50, GREEDY))["a"]
    assert (told.text, told.end.reason) == ("so", "stop")


def test_no_answer_is_longer_than_was_asked_for(make):
    told = work(make(says("0123456789" * 9)), Job("a", prompt("hi"), 7, GREEDY))["a"]
    assert told.end.reason == "length"
    assert told.end.completion_tokens == told.tokens == 7


@pytest.mark.parametrize("text", ["退货请联系客服😀", "a😀b", "日本語の文字"])
def test_characters_of_several_tokens_are_told_whole(make, text):
    told = work(make(says(text)), Job("a", prompt("hi"), 99, GREEDY))["a"]
    assert told.text == text
    assert not any("\ufffd" in piece.text for piece in told.pieces)


def test_tokens_that_end_within_characters_one_after_another_are_put_together(make):
    speak = script(*[byte_token(byte) for byte in "退货申请".encode()], END)
    told = work(make(speak), Job("a", prompt("hi"), 99, GREEDY))["a"]
    assert told.text == "退货申请"


def test_half_a_character_at_the_end_is_left_out(make):
    letters = [byte_token(byte) for byte in "a退".encode()]
    engine = make(script(*letters))
    whole = work(engine, Job("a", prompt("hi"), 4, GREEDY))["a"]
    half = work(engine, Job("a", prompt("hi"), 3, GREEDY))["a"]
    assert (whole.text, half.text) == ("a退", "a")


def byte_token(byte: int) -> int:
    letter = next(key for key, value in letters_of_bytes().items() if value == byte)
    return TOKENIZER._whole.token_to_id(letter)


def test_control_tokens_in_an_answer_are_no_text_and_those_of_tools_are(make):
    box = TOKENIZER._whole.token_to_id("<|box_start|>")
    call = [TOKENIZER.id_of(Mark.CALL), TOKENIZER.id_of(Mark.CALL_END)]
    letters = [TOKENIZER.encode(letter)[0] for letter in "abc"]
    speak = script(letters[0], box, letters[1], *call, letters[2], END)
    told = work(make(speak), Job("a", prompt("hi"), 50, GREEDY))["a"]
    assert told.text == "ab<tool_call></tool_call>c"


# Stop texts


def test_a_stop_text_ends_an_answer_and_is_not_part_of_it(make):
    job = Job("a", prompt("hi"), 50, GREEDY, stop=("\nUser:", "###"))
    told = work(make(says("fine ### not this")), job)["a"]
    assert (told.text, told.end.reason) == ("fine ", "stop")


def test_what_only_began_like_a_stop_text_is_told_after_all(make):
    job = Job("a", prompt("hi"), 50, GREEDY, stop=("###",))
    told = work(make(says("a ## b ##")), job)["a"]
    assert told.text == "a ## b ##"


def test_a_stop_text_that_ends_with_the_last_token_is_cut_off_too(make):
    tokens = TOKENIZER.encode("fine ###")
    job = Job("a", prompt("hi"), len(tokens), GREEDY, stop=("###",))
    told = work(make(script(*tokens, 0, 0)), job)["a"]
    assert (told.text, told.end.reason) == ("fine ", "stop")


# How it is drawn


def test_the_same_seed_draws_the_same_and_another_seed_something_else(make):
    def draw(seed):
        sampling = Sampling(temperature=5.0, top_p=1.0, top_k=0, seed=seed)
        return work(make(babble), Job("a", prompt("hi"), 30, sampling))["a"].text

    assert draw(1) == draw(1) != draw(2)


def test_a_bias_forbids_a_token(make):
    first = TOKENIZER.encode("Hello")[0]
    sampling = replace(GREEDY, logit_bias={first: -100.0})
    told = work(make(says("Hello")), Job("a", prompt("hi"), 1, sampling, top_logprobs=0))
    assert told["a"].pieces[0].sampled[0].chosen.token == first + 1


def test_presence_is_counted_in_the_answer_not_in_the_prompt(make):
    token = TOKENIZER.encode("x")[0]
    sampling = replace(GREEDY, presence_penalty=1.5)
    job = Job("a", [token, *prompt("xxxx")], 3, sampling, top_logprobs=0)
    told = work(make(script(token, token, token)), job)["a"]
    drawn = [each.chosen.token for piece in told.pieces for each in piece.sampled]
    assert drawn == [token, token + 1, token]


def test_a_repetition_penalty_makes_known_tokens_less_likely(make):
    token = TOKENIZER.encode("x")[0]
    sampling = replace(GREEDY, repetition_penalty=1.5)
    job = Job("a", [*prompt("x")], 1, sampling, top_logprobs=0)
    told = work(make(script(token, token)), job)["a"]
    assert told.pieces[0].sampled[0].chosen.token == token + 1


def test_likelihoods_are_the_models_own_with_the_bytes_of_each_token(make):
    sampling = replace(GREEDY, logit_bias={TOKENIZER.encode("é")[0]: 50.0})
    job = Job("a", prompt("hi"), 1, sampling, top_logprobs=2)
    tokens = TOKENIZER.encode("Hi")
    told = work(make(script(*tokens)), job)["a"]
    sampled = told.pieces[0].sampled[0]
    assert sampled.chosen.token == TOKENIZER.encode("é")[0]
    assert sampled.chosen.logprob < -9
    assert [each.token for each in sampled.rivals] == [tokens[0], tokens[0] + 1]
    assert sampled.rivals[0].logprob == pytest.approx(sampled.rivals[1].logprob + 1, abs=1e-4)


def test_likelihoods_come_with_the_text_they_belong_to(make):
    job = Job("a", prompt("hi"), 50, GREEDY, stop=("zzz",), top_logprobs=0)
    told = work(make(says("a 退z 货 z")), job)["a"]
    for piece in told.pieces:
        said = b"".join(each.chosen.text for each in piece.sampled).decode()
        assert said == piece.text
        assert len(piece.sampled) == piece.tokens or piece is told.pieces[-1]
    assert told.text == "a 退z 货 z"


# Pages and prefixes


def test_the_second_question_reads_only_what_is_new(make):
    engine = make(babble, pool=4096)
    first = [*prompt("rules " * 300)]
    told = work(engine, Job("a", first, 40, GREEDY))["a"]
    assert told.cached == told.end.cached_tokens == 0
    model_of(engine).read.clear()
    answer = answer_of(engine, first, 40)
    second = [*first, *answer, *TOKENIZER.encode(" and the next question")]
    told = work(engine, Job("b", second, 5, GREEDY))["b"]
    new = len(second) - len(first) - len(answer)
    assert sum(model_of(engine).read) <= new + 2
    assert told.cached == told.end.cached_tokens >= len(second) - new - 2


def answer_of(engine, start, count):
    text = list(start)
    for _ in range(count):
        text.append(babble(text))
    return text[len(start) :]


def test_another_text_takes_nothing_from_the_cache(make):
    engine = make(babble)
    work(engine, Job("a", prompt("rules " * 300), 5, GREEDY))
    told = work(engine, Job("b", TOKENIZER.encode("x", Mark.START, "rules " * 300), 5, GREEDY))
    assert told["b"].cached < 8


def test_eight_at_a_time_say_what_each_says_alone(make):
    jobs = [Job(str(n), prompt(f"{n} rules " * (40 * n + 1)), 30 + n, GREEDY) for n in range(8)]
    alone = {job.id: work(make(babble), job)[job.id].text for job in jobs}
    engine = make(babble, pool=8192, batch=8)
    together = work(engine, *jobs)
    assert {name: told.text for name, told in together.items()} == alone
    assert max(model_of(engine).widths) == 8


def test_a_pool_too_small_for_all_lets_them_wait_and_answers_all(make):
    jobs = [Job(str(n), prompt(f"{n} rules " * 60), 300, GREEDY) for n in range(6)]
    engine = make(babble, pool=1536, batch=8)
    told = work(engine, *jobs)
    assert all(each.end.completion_tokens == 300 for each in told.values())
    assert max(model_of(engine).widths) < 6


def test_no_more_run_together_than_the_batch(make):
    engine = make(babble, pool=8192, batch=3)
    work(engine, *[Job(str(n), prompt(str(n)), 20, GREEDY) for n in range(9)])
    assert max(model_of(engine).widths) == 3


def test_a_prompt_is_read_in_chunks(make):
    engine = make(babble, prefill_chunk=256)
    work(engine, Job("a", prompt("rules " * 500), 1, GREEDY))
    assert max(model_of(engine).read) <= 256


# What is refused


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (Job("a", [], 5), "empty"),
        (Job("a", [1], 0), "empty"),
        (Job("a", [1] * 2000, 100), "2100 tokens, at most 2048"),
        (Job("a", [99_999], 5), "no tokens beyond"),
        (Job("a", [1], 5, Sampling(logit_bias={99_999: 1.0})), "no tokens beyond"),
        (Job("a", [1], 5, adapter="other"), 'no adapter "other"'),
    ],
)
def test_a_job_that_can_never_run_is_refused_and_forgotten(make, job, why):
    engine = make(says("hi"), pool=2048)
    with pytest.raises(JobRefusedError, match=why):
        engine.start(job)
    assert engine.step() == []
    assert work(engine, Job("b", prompt("hi"), 50, GREEDY))["b"].text == "hi"


# Cancel


def test_a_job_is_cancelled_while_it_waits_reads_and_writes(make):
    engine = make(babble, pool=2048, batch=2, prefill_chunk=256)
    long = prompt("rules " * 250)
    assert 512 < len(long) < 1200
    engine.start(Job("reads", long, 10, GREEDY))
    engine.start(Job("writes", prompt("hi"), 500, GREEDY))
    engine.start(Job("waits", prompt("ho"), 500, GREEDY))
    first = engine.step()
    assert {event.job for event in first} == {"writes"}
    for name in ("reads", "writes", "waits", "unknown"):
        engine.cancel(name)
    assert engine.step() == []
    if isinstance(engine, Exl2Engine):
        assert len(engine._generator.unreferenced_pages) == 8
    alone = work(make(babble), Job("a", long, 10, GREEDY))["a"].text
    assert work(engine, Job("again", long, 10, GREEDY))["again"].text == alone


def test_others_go_on_when_one_is_cancelled(make):
    engine = make(babble, pool=4096)
    job = Job("stays", prompt("hi"), 40, GREEDY)
    expected = work(make(babble), job)["stays"].text
    engine.start(Job("goes", prompt("rules " * 100), 500, GREEDY))
    engine.start(job)
    told = {"goes": Told(), "stays": Told()}
    for step in range(60):
        for event in engine.step():
            note(told[event.job], event)
        if step == 5:
            engine.cancel("goes")
    assert told["stays"].text == expected
    assert told["goes"].end is None


# Faults


class Fault:
    """Fails once, in the chosen forward pass."""

    def __init__(self, error: Exception, *, at: int, reading: bool = False) -> None:
        self.error, self.left, self.reading = error, at, reading

    def __call__(self, count: int, reading: bool) -> None:
        if reading == self.reading:
            self.left -= 1
            if self.left == 0:
                raise self.error


def collect(engine, told, steps=400):
    for _ in range(steps):
        for event in engine.step():
            note(told[event.job], event)


def test_memory_that_runs_out_while_writing_costs_the_last_job_and_no_other(make):
    jobs = [Job(str(n), prompt(f"退货 {n} " * 30), 60, GREEDY, stop=("zz",)) for n in range(4)]
    alone = {job.id: work(make(babble), job)[job.id].text for job in jobs}
    engine = make(babble, pool=8192)
    model_of(engine).before = Fault(torch.OutOfMemoryError("CUDA out of memory"), at=25)
    told = {job.id: Told() for job in jobs}
    for job in jobs:
        engine.start(job)
    with pytest.raises(OutOfMemoryError) as caught:
        collect(engine, told)
    assert caught.value.failed == ("3",)
    engine.cancel("3")
    engine.recover()
    collect(engine, told)
    for name in "012":
        assert told[name].text == alone[name]
        assert told[name].end.completion_tokens == 60
        assert told[name].end.reason == "length"
    assert told["3"].end is None


def test_memory_that_runs_out_while_reading_costs_the_one_that_is_read(make):
    engine = make(babble, pool=8192)
    fault = Fault(RuntimeError("CUDA out of memory. Tried"), at=2, reading=True)
    model_of(engine).before = fault
    told = {"short": Told(), "long": Told(), "late": Told()}
    engine.start(Job("short", prompt("hello there"), 30, GREEDY))
    engine.start(Job("long", prompt("rules " * 300), 30, GREEDY))
    engine.start(Job("late", prompt("rules"), 30, GREEDY))
    with pytest.raises(OutOfMemoryError) as caught:
        collect(engine, told)
    assert caught.value.failed == ("long",)
    engine.recover()
    collect(engine, told)
    assert told["short"].end.completion_tokens == told["late"].end.completion_tokens == 30


def test_a_resumed_answer_draws_what_it_would_have_drawn(make):
    sampling = Sampling(temperature=3.0, top_p=0.95, seed=5, presence_penalty=0.5)
    job = Job("a", prompt("hi"), 60, sampling, top_logprobs=1)
    whole = work(make(babble), job)["a"]
    engine = make(babble)
    model_of(engine).before = Fault(torch.OutOfMemoryError("out of memory"), at=20)
    told = {"a": Told(), "b": Told()}
    engine.start(job)
    engine.start(Job("b", prompt("ho"), 60, GREEDY))
    with pytest.raises(OutOfMemoryError):
        collect(engine, told)
    engine.recover()
    collect(engine, told)
    assert told["a"].text == whole.text
    assert told["a"].tokens == whole.tokens
    assert sampled_tokens(told["a"]) == sampled_tokens(whole)


def sampled_tokens(told):
    return [each.chosen.token for piece in told.pieces for each in piece.sampled]


def test_another_error_fails_what_was_at_work_and_lets_the_rest_go_on(make):
    engine = make(babble, pool=8192, batch=2)
    model_of(engine).before = Fault(ValueError("secret text"), at=5)
    told = {name: Told() for name in "abc"}
    for name in told:
        engine.start(Job(name, prompt(name), 30, GREEDY))
    collect(engine, told)
    assert [told[name].end.reason for name in "abc"] == ["failed", "failed", "length"]
    assert told["a"].end.fault == "ValueError in the engine"


@pytest.mark.parametrize("text", ["CUDA error: an illegal memory access", "CUBLAS_STATUS_FAILED"])
def test_an_error_of_the_card_is_the_end(make, text):
    engine = make(babble)
    model_of(engine).before = Fault(RuntimeError(text), at=3)
    engine.start(Job("a", prompt("hi"), 30, GREEDY))
    with pytest.raises(EngineBrokenError):
        collect(engine, {"a": Told()})


# Adapters


def test_what_one_adapter_made_of_a_text_is_not_shown_to_another(make):
    engine = make(babble, adapters={"red": 1, "blue": 2})
    text = prompt("rules " * 200)
    first = work(engine, Job("a", text, 5, GREEDY, adapter="red"))["a"]
    other = work(engine, Job("b", text, 5, GREEDY, adapter="blue"))["b"]
    again = work(engine, Job("c", text, 5, GREEDY, adapter="red"))["c"]
    assert (first.cached, other.cached) == (0, 0)
    assert again.cached >= len(text) - 2


# Grammars


@pytest.fixture(scope="module")
def grammars():
    return Grammars(TOKENIZER)


def test_a_grammar_holds_an_answer_to_json_whatever_the_model_would_say(make, grammars):
    sampling = Sampling(temperature=5.0, top_p=1.0, top_k=0, seed=1)
    schema = {"enum": [{"intent": "refund"}, {"intent": "order", "sure": True}]}
    jobs = [
        Job(
            str(n),
            prompt("hi"),
            200,
            replace(sampling, seed=n),
            grammar=grammars.json_schema(schema),
        )
        for n in range(8)
    ]
    told = work(make(babble, pool=8192), *jobs)
    answers = [json.loads(each.text) for each in told.values()]
    assert all(answer in schema["enum"] for answer in answers)
    assert {each.end.reason for each in told.values()} == {"stop"}
    assert len({answer["intent"] for answer in answers}) == 2


def test_a_grammar_leaves_the_likelihoods_as_they_were(make, grammars):
    job = Job(
        "a", prompt("hi"), 60, GREEDY, grammar=grammars.json_schema({"const": 1}), top_logprobs=1
    )
    [sampled] = [s for p in work(make(says("no")), job)["a"].pieces for s in p.sampled][:1]
    assert sampled.chosen.text == b"1"
    assert sampled.rivals[0].text == TOKENIZER.decode(TOKENIZER.encode("no")[:1]).encode()


class Fickle:
    """A grammar that refuses what it has allowed."""

    is_complete = False

    def fill(self, mask):
        mask.cast("B")[:] = b"\xff" * mask.nbytes

    def accept(self, token):
        return False


def test_a_grammar_that_refuses_what_it_allowed_fails_its_job_alone(make):
    engine = make(says("hello there"), pool=8192)
    told = work(
        engine,
        Job("bad", prompt("hi"), 20, GREEDY, grammar=Fickle()),
        Job("good", prompt("hi"), 20, GREEDY),
    )
    assert told["bad"].end.reason == "failed"
    assert "grammar" in told["bad"].end.fault
    assert told["good"].text == "hello there"


def test_a_model_that_overflows_in_one_answer_fails_that_one_alone(make):
    """In 16 bits that happens; what is drawn from it would be noise for a customer."""
    lost = TOKENIZER.encode("Z")[0]

    def speak(text):
        if lost in text:
            return OVERFLOW if len(text) % 8 == 0 else 33
        return babble(text)

    jobs = [Job("a", prompt("hi"), 20, GREEDY), Job("b", prompt("Z"), 20, GREEDY)]
    told = work(make(speak), *jobs)
    assert told["a"].end.completion_tokens == 20
    assert told["b"].end.reason == "failed"
    assert told["b"].end.fault == "the model's output is not a number"


def test_nothing_runs_on_when_an_engine_is_closed(make):
    before = threading.active_count()
    engine = make(babble)
    for name in "abcd":
        engine.start(Job(name, prompt(name), 30, GREEDY))
    engine.step()
    engine.close()
    assert threading.active_count() == before
