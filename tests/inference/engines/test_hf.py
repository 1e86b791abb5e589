"""The Transformers engine on a real model, tiny and random, against Transformers' own generate."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch: make test-model")
transformers = pytest.importorskip("transformers", reason="needs transformers: make test-model")

from peers import exl2_stub  # noqa: E402

exl2_stub.install()

from peers.exl2_fake import GREEDY, work  # noqa: E402
from peers.qwen import small_tokenizer  # noqa: E402
from peers.tiny_qwen import CONTEXT, write_adapter, write_tiny  # noqa: E402

from config.engine import EngineSettings  # noqa: E402
from inference.engines.loading import load_engine  # noqa: E402
from inference.jobs.engine import LoadRefusedError  # noqa: E402
from inference.jobs.job import Job, Sampling  # noqa: E402
from inference.text.tokenizer import ChatTokenizer, Mark  # noqa: E402

pytestmark = pytest.mark.model
TOKENIZER = ChatTokenizer(small_tokenizer())
TEXTS = ["你好，我的订单什么时候到？", "x", "How do I return a kettle? " * 30, "退货 " * 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"), small_tokenizer())


def load(folder: Path, **settings):
    chosen = EngineSettings(engine="transformers", model_dir=folder, device="cpu", **settings)
    return load_engine(chosen, lambda _: None)


@pytest.fixture(scope="module")
def model(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def greedy(model, prompt: list[int], count: int) -> list[int]:
    """What Transformers itself goes on with until an end, without tokens that mean nothing."""
    beyond = list(range(TOKENIZER.vocabulary, model.config.vocab_size))
    ends = [TOKENIZER.id_of(mark) for mark in (Mark.END, Mark.END_OF_TEXT)]
    said = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones((1, len(prompt)), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
        suppress_tokens=beyond or None,
        eos_token_id=ends,
    )
    return [token for token in said[0, len(prompt) :].tolist() if token not in ends]


def job(number: int, text: str, count: int = 24, **more) -> Job:
    return Job(str(number), TOKENIZER.encode(text), count, GREEDY, top_logprobs=0, **more)


def tokens(told) -> list[int]:
    return [each.chosen.token for piece in told.pieces for each in piece.sampled]


@pytest.mark.parametrize("text", TEXTS)
def test_an_answer_is_the_one_that_transformers_gives(folder, model, text) -> None:
    expected = greedy(model, TOKENIZER.encode(text), 24)
    told = work(load(folder, prefill_chunk=256), job(0, text))["0"]
    assert tokens(told) == expected


def test_answers_written_together_are_those_written_alone(folder, model) -> None:
    told = work(load(folder), *[job(number, text) for number, text in enumerate(TEXTS * 2)])
    for number, text in enumerate(TEXTS * 2):
        assert tokens(told[str(number)]) == greedy(model, TOKENIZER.encode(text), 24)


def test_what_was_read_before_changes_nothing(folder, model) -> None:
    engine = load(folder)
    text = TEXTS[2]
    first = work(engine, job(1, text))["1"]
    longer = text + "And the lid of it?"
    second = work(engine, job(2, longer))["2"]
    assert first.cached == 0
    assert second.cached >= len(TOKENIZER.encode(text)) - 2
    assert tokens(second) == greedy(model, TOKENIZER.encode(longer), 24)


def test_likelihoods_are_those_of_the_model(folder, model) -> None:
    prompt = TOKENIZER.encode(TEXTS[0])
    told = work(load(folder), Job("a", prompt, 3, GREEDY, top_logprobs=3))["a"]
    [first, *_] = [each for piece in told.pieces for each in piece.sampled]
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0, -1, : TOKENIZER.vocabulary]
    expected = torch.log_softmax(logits, -1).topk(3)
    assert [each.token for each in first.rivals] == expected.indices.tolist()
    assert [each.logprob for each in first.rivals] == pytest.approx(
        expected.values.tolist(), abs=1e-4
    )


def test_drawing_follows_the_likelihoods(folder, model) -> None:
    """With two tokens to choose from, each is drawn about as often as it is likely."""
    prompt = TOKENIZER.encode(TEXTS[0])
    jobs = [
        Job(str(seed), prompt, 1, Sampling(3.0, 1.0, 2, 0.0, 1.0, seed=seed), top_logprobs=2)
        for seed in range(400)
    ]
    told = work(load(folder, batch=64, pool_tokens=16_384), *jobs)
    drawn = [each.pieces[0].sampled[0] for each in told.values() if each.pieces]
    likelier, other = drawn[0].rivals
    share = sum(each.chosen.token == likelier.token for each in drawn) / len(drawn)
    odds = torch.tensor([likelier.logprob, other.logprob]) / 3.0
    assert share == pytest.approx(float(odds.softmax(-1)[0]), abs=0.1)


# peft 0.21 asks Transformers 5.24 by a name that will go.
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_adapters_are_chosen_by_each_job(folder, model, tmp_path) -> None:
    adapters = [
        {"name": name, "folder": write_adapter(tmp_path / name, folder, seed)}
        for seed, name in enumerate(["red", "blue"])
    ]
    engine = load(folder, adapters=adapters)
    assert engine.facts.adapters == ("red", "blue")
    names = ["", "red", "blue", "red", ""]
    jobs = [job(number, TEXTS[2], adapter=name) for number, name in enumerate(names)]
    told = [tokens(each) for each in work(engine, *jobs).values()]
    assert told[0] == told[4] == greedy(model, TOKENIZER.encode(TEXTS[2]), 24)
    assert told[1] == told[3]
    assert len({tuple(each) for each in told}) == 3
    tuned = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tuned.load_adapter(str(tmp_path / "blue"))
    assert told[2] == greedy(tuned, TOKENIZER.encode(TEXTS[2]), 24)


# Loading


def test_the_engine_says_what_it_holds(folder) -> None:
    facts = load(folder, batch=3).facts
    assert (facts.name, facts.context_tokens, facts.batch) == ("transformers", CONTEXT, 3)
    assert facts.pool_tokens == 2 * CONTEXT
    assert facts.vocabulary == TOKENIZER.vocabulary


def test_progress_goes_up_to_one(folder) -> None:
    told: list[float] = []
    settings = EngineSettings(engine="transformers", model_dir=folder, device="cpu")
    load_engine(settings, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"speculative": "ngram"}, "does not guess ahead"),
        ({"cache": "q8"}, "keeps its pool as it is"),
        ({"placement": "tensor"}, "whole layers"),
        ({"max_seq_len": 4096}, "trained for 2048"),
        ({"adapters": [{"name": "red", "folder": "/nowhere"}]}, "cannot be loaded"),
    ],
)
def test_what_the_engine_cannot_do_is_refused(folder, settings, why) -> None:
    with pytest.raises(LoadRefusedError, match=why) as refusal:
        load(folder, **settings)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_weights_is_refused(folder, tmp_path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(LoadRefusedError) as refusal:
        load(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a card")
def test_a_card_that_is_not_there_is_missed(folder) -> None:
    settings = EngineSettings(engine="transformers", model_dir=folder, device="cuda")
    with pytest.raises(LoadRefusedError, match="sees no card"):
        load_engine(settings, lambda _: None)


def test_a_longer_context_than_trained_is_had_with_yarn(folder) -> None:
    engine = load(folder, yarn=True, max_seq_len=4 * CONTEXT)
    assert engine.facts.context_tokens == 4 * CONTEXT
    long = TOKENIZER.encode("退货 " * 400)
    assert len(long) > CONTEXT
    told = work(engine, Job("a", long, 4, GREEDY))["a"]
    assert told.end.completion_tokens == 4 or told.end.reason == "stop"
