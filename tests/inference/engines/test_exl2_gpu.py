"""ExLlamaV2 on a real card, with a tiny model of random weights: what no stub can show.

The model's likeliest tokens lie close together, and kernels for other batch sizes round otherwise.
So two runs are called the same if they draw the same tokens up to a place where both tokens were
about as likely.
"""

import asyncio
import gc
import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch and a card")
if not torch.cuda.is_available():
    pytest.skip("needs an NVIDIA card", allow_module_level=True)
if importlib.util.find_spec("exllamav2_ext") is None:
    pytest.skip("needs exllamav2 with its compiled extension", allow_module_level=True)

import aiohttp  # noqa: E402
from peers.exl2_fake import TOKENIZER, Told, note, work  # noqa: E402
from peers.exl2_weights import (  # noqa: E402
    TINY,
    Writer,
    dequantise,
    quantised,
    reference_model,
    write_adapter,
)
from peers.qwen import small_tokenizer  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from config.engine import AdapterSettings, EngineSettings  # noqa: E402
from inference.engines import exl2  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402
from inference.engines.exl2_loading import load_exl2  # noqa: E402
from inference.serving.engine import LoadRefusedError, OutOfMemoryError  # noqa: E402
from inference.serving.job import Job, Sampling  # noqa: E402
from inference.serving.order import UnitOrder  # noqa: E402
from inference.tokenizer import Mark  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]

NO_FLASH = "needs flash-attn 2.5.7 or later for the paged mode"
CLOSE = 0.02
"""Logarithms of likelihoods that rounding may turn around."""
STOPS = [TOKENIZER.id_of(mark) for mark in (Mark.END, Mark.END_OF_TEXT)]
ENDLESS = Sampling(
    temperature=0.0, repetition_penalty=1.0, logit_bias=dict.fromkeys(STOPS, -1000.0)
)
"""The likeliest token, but never an end."""
paged_only = pytest.mark.skipif(not exl2.has_paged_attention(), reason=NO_FLASH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exl2") / "tiny"
    Writer(TINY, bits=4.0, group=32, contrast=5.0).write(folder, small_tokenizer())
    write_adapter(folder / "lora", TINY)
    return folder


@pytest.fixture
def load(folder):
    """Loads the tiny model with other settings, and frees the card afterwards."""
    engines = []

    def load(*, paged: bool = exl2.has_paged_attention(), **settings) -> Exl2Engine:
        given = {"model_dir": folder, "placement": "replicas", "pool_tokens": 8192, **settings}
        values = EngineSettings(engine="exllamav2", **{"max_seq_len": 4096, **given})
        engines.append(load_exl2(values, lambda _: None, paged=paged))
        return engines[-1]

    yield load
    for engine in engines:
        engine.close()
    engines.clear()
    gc.collect()
    torch.cuda.empty_cache()


def text(number: int, length: int) -> list[int]:
    return [(number * 131 + place * 7 + place * place) % 900 for place in range(length)]


def job(name: str, prompt: list[int], count: int = 24, **more) -> Job:
    return Job(name, prompt, count, ENDLESS, top_logprobs=5, **more)


def tokens_of(told: Told) -> list[int]:
    return [each.chosen.token for piece in told.pieces for each in piece.sampled]


def assert_same(one: Told, other: Told) -> int:
    """Compare two runs; returns how many tokens were the same."""
    left = [each for piece in one.pieces for each in piece.sampled]
    right = [each for piece in other.pieces for each in piece.sampled]
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        assert a.chosen.logprob == pytest.approx(b.chosen.logprob, abs=2 * CLOSE), place
        if a.chosen.token != b.chosen.token:
            likely = {each.token: each.logprob for each in a.rivals}
            assert b.chosen.token in likely, f"token {place} is another one"
            assert likely[b.chosen.token] > a.chosen.logprob - CLOSE, f"token {place}"
            return place
    assert len(left) == len(right)
    return len(left)


def test_the_cards_weights_are_those_of_the_file(folder, load):
    model = load()._parts.model
    for layer, name in ((0, "self_attn.q_proj"), (1, "mlp.down_proj"), (1, "mlp.gate_proj")):
        key = f"model.layers.{layer}.{name}"
        ours = dequantise(quantised(load_file(folder / f"layer-{layer:02}.safetensors"), key))
        theirs = model.modules_dict[key].get_weight_tensor_dq().float().cpu()
        assert torch.allclose(ours, theirs, rtol=5e-3, atol=1e-4), key


def test_it_says_what_transformers_says_with_the_same_weights(folder, load):
    """The whole forward pass against another implementation, in float32 on the processor."""
    pytest.importorskip("transformers", reason="needs transformers")
    reference = reference_model(folder, TINY)
    known = text(1, 300)
    told = work(load(), job("a", known))["a"]
    for each in [each for piece in told.pieces for each in piece.sampled]:
        with torch.no_grad():
            logits = reference(torch.tensor([known])).logits[0, -1, : TOKENIZER.vocabulary]
        scores = torch.log_softmax(logits, -1)
        likelihood = float(scores[each.chosen.token])
        scores[list(STOPS)] = -math.inf
        assert likelihood == pytest.approx(each.chosen.logprob, abs=2 * CLOSE)
        assert float(scores.max()) - likelihood < 2 * CLOSE
        known.append(each.chosen.token)


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
def test_a_job_is_cancelled_while_it_reads_and_while_it_writes(load):
    engine = load(prefill_chunk=256, pool_tokens=8192)
    expected = work(engine, job("before", text(1, 900)))["before"]
    engine.start(job("writes", text(2, 50), 500))
    for _ in range(10):
        engine.step()
    engine.start(job("reads", text(4, 3000), 500))
    engine.step()
    engine.cancel("reads")
    engine.cancel("writes")
    assert engine.step() == []
    assert len(engine._generator.unreferenced_pages) == 32
    assert_same(expected, work(engine, job("after", text(1, 900)))["after"])


@paged_only
def test_the_allocators_own_refusal_costs_one_job_and_the_others_go_on(load):
    engine = load()
    jobs = [job(str(number), text(number, 200), 60) for number in range(3)]
    alone = {each.id: work(load(), each)[each.id] for each in jobs}
    told = {each.id: Told() for each in jobs}
    for each in jobs:
        engine.start(each)
    forward, calls = engine._parts.model.forward_chunk, [0]

    def refuse(*given, **named):
        calls[0] += 1
        if calls[0] == 25:
            torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
        return forward(*given, **named)

    engine._parts.model.forward_chunk = refuse
    with pytest.raises(OutOfMemoryError) as caught:
        _collect(engine, told)
    assert caught.value.failed == ("2",)
    engine.recover()
    _collect(engine, told)
    for name in "01":
        assert told[name].end.completion_tokens == 60
        assert_same(told[name], alone[name])


def _collect(engine: Exl2Engine, told: dict[str, Told]) -> None:
    for _ in range(200):
        for event in engine.step():
            note(told[event.job], event)


@paged_only
@pytest.mark.parametrize("cache", ["q8", "q6", "q4"])
def test_a_quantised_cache_says_nearly_the_same(load, cache):
    exact = work(load(), job("a", text(1, 600), 1))["a"]
    rough = work(load(cache=cache), job("a", text(1, 600), 1))["a"]
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
    engine = load()
    sampling = replace(ENDLESS, temperature=1.0, top_p=0.95, top_k=50, seed=7)
    told = [work(engine, Job(name, text(1, 100), 30, sampling))[name].text for name in "ab"]
    assert told[0] == told[1]


@paged_only
def test_a_context_four_times_as_long_is_read_with_the_reference_frequencies(load):
    engine = load(max_seq_len=4 * TINY.max_position_embeddings, yarn=True, pool_tokens=32_768)
    context = engine._parts.model.get_device_context(0)
    factor = 0.1 * math.log(4.0) + 1.0
    assert float(context.cos[0][0, 0, 0, 0]) == pytest.approx(factor, abs=2e-3)
    told = work(engine, job("a", text(1, 30_000), 4))["a"]
    assert told.end.completion_tokens == 4


@paged_only
def test_a_pool_that_does_not_fit_is_refused_before_anything_is_loaded(folder):
    before = torch.cuda.memory_allocated()
    settings = EngineSettings(
        engine="exllamav2", model_dir=folder, placement="replicas", pool_tokens=1 << 40
    )
    with pytest.raises(LoadRefusedError, match=r"needed|room for"):
        load_exl2(settings, lambda _: None)
    assert torch.cuda.memory_allocated() == before


@paged_only
def test_a_closed_engine_frees_the_card(folder):
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    settings = EngineSettings(
        engine="exllamav2", model_dir=folder, placement="replicas", pool_tokens=65_536,
        max_seq_len=4096,
    )  # fmt: skip
    engine = load_exl2(settings, lambda _: None)
    assert torch.cuda.memory_allocated() > before + (32 << 20)
    engine.close()
    del engine
    gc.collect()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() < before + (8 << 20)


@paged_only
async def test_a_unit_that_was_killed_serves_again_on_the_same_card(folder, tmp_path):
    settings = EngineSettings(
        engine="exllamav2", model_dir=folder, placement="replicas", pool_tokens=8192,
        max_seq_len=4096, served_name="tiny",
    )  # fmt: skip
    answers = [await _answer_of_a_unit(settings, tmp_path / f"{life}.sock") for life in (1, 2)]
    assert answers[0]
    assert answers[0] == answers[1]


async def _answer_of_a_unit(settings: EngineSettings, socket: Path) -> str:
    """Start a unit, have a question answered, and kill it in the middle of another answer."""
    program = [sys.executable, "-m", "inference.serving.unit"]
    process = await asyncio.create_subprocess_exec(*program, stdin=asyncio.subprocess.PIPE)
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession("http://unit", connector=connector) as http:
        process.stdin.write(UnitOrder(name="0", settings=settings, socket=socket).to_line())
        async with asyncio.timeout(120):
            while not await _is_ready(http):
                assert process.returncode is None
                await asyncio.sleep(0.1)
        body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 32, "seed": 1}
        async with http.post("/v1/chat/completions", json=body) as response:
            answer = (await response.json())["choices"][0]["message"]["content"]
        endless = body | {"stream": True, "max_tokens": 2000}
        async with http.post("/v1/chat/completions", json=endless) as response:
            await response.content.readline()
            process.kill()
            await process.wait()
    return answer


async def _is_ready(http: aiohttp.ClientSession) -> bool:
    try:
        async with http.get("/health") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@paged_only
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two cards")
@pytest.mark.parametrize("placement", ["split", "tensor"])
def test_a_model_over_two_cards_says_what_it_says_on_one(tmp_path, placement):
    wide = TINY.model_copy(
        update={"num_key_value_heads": 2, "num_attention_heads": 4, "hidden_size": 512}
    )
    Writer(wide, bits=4.0, group=32, contrast=5.0).write(tmp_path / "model", small_tokenizer())
    base = EngineSettings(
        engine="exllamav2", model_dir=tmp_path / "model", placement="replicas",
        pool_tokens=8192, max_seq_len=4096,
    )  # fmt: skip
    one = load_exl2(base, lambda _: None)
    expected = work(one, job("a", text(1, 400)))["a"]
    one.close()
    several = load_exl2(base.model_copy(update={"placement": placement}), lambda _: None)
    assert_same(expected, work(several, job("a", text(1, 400)))["a"])
    several.close()
