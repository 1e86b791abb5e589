"""ExLlamaV2 on a real card: its arithmetic, which no stub can show."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from peers.exl2_card import (
    ENDLESS,
    assert_as,
    assert_same,
    job,
    open_engines,
    paged_only,
    text,
    tokens_of,
    write_tiny,
)
from peers.exl2_fake import work
from peers.exl2_weights import TINY, dequantise, merge_adapter, quantised, reference_model

from config.engine import AdapterSettings
from inference.jobs.job import Job

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("exl2") / "tiny")


@pytest.fixture
def load(folder):
    with open_engines(folder) as engines:
        yield engines


@pytest.fixture
def wide(tmp_path):
    """Loads a model with as many keys as Qwen2.5-7B: the blocks of quantised caches are as wide."""
    shape = {"num_key_value_heads": 4, "num_attention_heads": 4, "hidden_size": 512}
    with open_engines(write_tiny(tmp_path / "wide", TINY.model_copy(update=shape))) as engines:
        yield engines


def test_the_cards_weights_are_those_of_the_file(folder, load):
    model = load()._parts.model
    for layer, name in ((0, "self_attn.q_proj"), (1, "mlp.down_proj"), (1, "mlp.gate_proj")):
        key = f"model.layers.{layer}.{name}"
        tensors = safetensors.load_file(folder / f"layer-{layer:02}.safetensors")
        ours = dequantise(quantised(tensors, key))
        # The library orders an MLP's inner features by the rows of its last part.
        order = tensors[f"model.layers.{layer}.mlp.down_proj.q_invperm"].argsort()
        if name == "mlp.down_proj":
            ours = ours[order]
        elif name.startswith("mlp."):
            ours = ours[:, order]
        theirs = model.modules_dict[key].get_weight_tensor_dq().float().cpu()
        assert torch.allclose(ours, theirs, rtol=5e-3, atol=1e-4), key


def test_it_says_what_transformers_says_with_the_same_weights(folder, load):
    """The whole forward pass against another implementation, in float32 on the processor."""
    pytest.importorskip("transformers", reason="needs transformers")
    known = text(1, 300)
    told = work(load(), job("a", known))["a"]
    assert_as(reference_model(folder, TINY), known, told)


@paged_only
def test_an_adapter_says_what_transformers_says_with_the_weights_merged(folder, load):
    pytest.importorskip("transformers", reason="needs transformers")
    reference = reference_model(folder, TINY)
    merge_adapter(reference, folder / "lora")
    engine = load(adapters=(AdapterSettings(name="repairs", folder=folder / "lora"),))
    known = text(1, 300)
    told = work(engine, job("a", known, adapter="repairs"))["a"]
    assert_as(reference, known, told)


@paged_only
@pytest.mark.parametrize("batch", [1, 5])
def test_launching_by_graphs_changes_nothing(folder, load, batch):
    """From the 205th step of a batch on the library launches its kernels by CUDA graphs."""
    pytest.importorskip("transformers", reason="needs transformers")
    reference = reference_model(folder, TINY)
    jobs = [job(str(number), text(number, 50 + number), 260) for number in range(batch)]
    told = work(load(batch=5), *jobs)
    for each in jobs:
        assert_as(reference, each.prompt, told[each.id])


@paged_only
def test_pages_change_nothing(load):
    prompts = [text(1, 5), text(2, 255), text(3, 256), text(4, 257), text(5, 1000)]
    paged = [work(load(), job("a", prompt))["a"] for prompt in prompts]
    single = load(paged=False)
    for prompt, told in zip(prompts, paged, strict=True):
        assert_same(told, work(single, job("a", prompt))["a"])


@paged_only
def test_eight_at_a_time_say_what_each_says_alone(load):
    jobs = [job(str(number), text(number, 40 + 97 * number)) for number in range(8)]
    alone = {each.id: work(load(), each)[each.id] for each in jobs[:2]}
    engine = load(batch=8, pool_tokens=16_384)
    together = work(engine, *jobs)
    one_by_one = {each.id: work(engine, replace(each, id=f"{each.id}-"))[f"{each.id}-"]
                  for each in jobs}  # fmt: skip
    same = [assert_same(told, one_by_one[name]) for name, told in together.items()]
    for name, told in alone.items():
        assert_same(told, together[name])
    assert max(same) >= 12


@paged_only
@pytest.mark.parametrize("batch", [1, 4, 5, 16, 33])
def test_every_way_of_multiplying_gives_the_same(load, batch):
    """Up to 4 rows, up to 32, and above 32 the library multiplies in different ways."""
    engine = load(batch=40, pool_tokens=32_768)
    jobs = [job(str(number), text(7, 100), 8) for number in range(batch)]
    told = work(engine, *jobs)
    single = work(engine, job("single", text(7, 100), 8))["single"]
    for each in told.values():
        assert_same(each, single)


@paged_only
def test_a_known_beginning_changes_nothing(load):
    engine, cold = load(), load()
    prompt = text(3, 900)
    work(engine, job("first", prompt[:700]))
    warm = work(engine, job("a", prompt))["a"]
    assert warm.cached >= 512
    assert_same(warm, work(cold, job("a", prompt))["a"])


@paged_only
def test_what_was_written_counts_as_known_in_the_next_question(load):
    engine = load()
    prompt = text(3, 500)
    told = work(engine, job("first", prompt, 40))["first"]
    following = [*prompt, *tokens_of(told), *text(9, 10)]
    assert work(engine, job("next", following))["next"].cached >= len(following) - 12


@paged_only
@pytest.mark.parametrize("cache", ["q8", "q6", "q4"])
def test_a_quantised_cache_says_nearly_the_same(wide, cache):
    exact = work(wide(), job("a", text(1, 600), 1))["a"]
    rough = work(wide(cache=cache), job("a", text(1, 600), 1))["a"]
    likely = {each.token for each in exact.pieces[0].sampled[0].rivals}
    assert rough.pieces[0].sampled[0].chosen.token in likely


@paged_only
def test_guessing_ahead_changes_nothing(load):
    prompt = text(1, 20) * 6
    plain = work(load(), job("a", prompt, 40))["a"]
    guessed = work(load(speculative="ngram"), job("a", prompt, 40))["a"]
    assert_same(plain, guessed)


@paged_only
def test_a_model_that_guesses_for_itself_is_right_and_changes_nothing(load, folder):
    plain = work(load(), job("a", text(1, 100), 40))["a"]
    engine = load(speculative="draft", draft_dir=folder)
    told = work(engine, job("a", text(1, 100), 40))["a"]
    assert_same(plain, told)


@paged_only
def test_an_adapter_speaks_otherwise_and_leaves_the_model_as_it_was(load, folder):
    tuned = AdapterSettings(name="repairs", folder=folder / "lora")
    engine = load(adapters=(tuned,))
    plain = work(engine, job("a", text(1, 400)))["a"]
    other = work(engine, job("b", text(1, 400), adapter="repairs"))["b"]
    again = work(engine, job("c", text(1, 400)))["c"]
    assert tokens_of(other) != tokens_of(plain)
    assert other.cached == 0
    assert again.cached >= 398
    assert_same(plain, again)


@paged_only
def test_a_seed_draws_the_same_twice(load):
    """But for the few draws that fall where rounding decides."""
    engine = load()
    drawn = []
    for name in [f"{time}-{seed}" for time in "ab" for seed in range(12)]:
        seed = int(name.partition("-")[2])
        sampling = replace(ENDLESS, temperature=1.0, top_p=0.95, top_k=50, seed=seed)
        job = Job(name, text(1, 100), 1, sampling, top_logprobs=0)
        drawn += tokens_of(work(engine, job)[name])
    assert sum(a == b for a, b in zip(drawn[:12], drawn[12:], strict=True)) >= 9
    assert len(set(drawn)) > 3


@paged_only
def test_a_context_four_times_as_long_is_read_with_the_reference_frequencies(load):
    engine = load(max_seq_len=4 * TINY.max_position_embeddings, yarn=True, pool_tokens=32_768)
    context = engine._parts.model.get_device_context(0)
    factor = 0.1 * math.log(4.0) + 1.0
    assert float(context.cos[0][0, 0, 0, 0]) == pytest.approx(factor, abs=2e-3)
    told = work(engine, job("a", text(1, 30_000), 4))["a"]
    assert told.end.completion_tokens == 4
