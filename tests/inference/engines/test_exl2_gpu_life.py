"""ExLlamaV2 on real cards: how jobs, engines and units come and go there."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest
from peers.exl2_card import (
    assert_same,
    free_card,
    job,
    open_engines,
    paged_only,
    settings_of,
    text,
    write_tiny,
)
from peers.exl2_fake import Told, note, work
from peers.exl2_weights import TINY

from config.engine import EngineSettings
from inference.engines.exl2_engine import Exl2Engine
from inference.engines.exl2_loading import load_exl2
from inference.jobs.engine import LoadRefusedError, OutOfMemoryError
from inference.serving.order import UnitOrder

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("exl2") / "tiny")


@pytest.fixture
def load(folder):
    with open_engines(folder) as engines:
        yield engines


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
def test_a_pool_that_does_not_fit_is_refused_before_anything_is_loaded(folder):
    before = free_card()
    settings = settings_of(folder, pool_tokens=1 << 40)
    with pytest.raises(LoadRefusedError, match=r"needed|room for"):
        load_exl2(settings, lambda _: None)
    assert free_card() == before


@paged_only
def test_a_closed_engine_frees_the_card(folder):
    left = []
    for _ in range(2):  # cuBLAS keeps its workspace from the first time on
        engine = load_exl2(settings_of(folder, pool_tokens=65_536), lambda _: None)
        loaded = torch.cuda.memory_allocated()
        engine.close()
        del engine
        left.append(free_card())
        assert loaded > left[-1] + (32 << 20)
    assert left[1] < left[0] + (8 << 20)


@paged_only
async def test_a_unit_that_was_killed_serves_again_on_the_same_card(folder, tmp_path):
    settings = settings_of(folder, served_name="tiny")
    answers = [await _answer_of_a_unit(settings, tmp_path / f"{life}.sock") for life in (1, 2)]
    assert all(answers)


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
    base = settings_of(write_tiny(tmp_path / "model", wide))
    one = load_exl2(base, lambda _: None)
    expected = work(one, job("a", text(1, 400)))["a"]
    one.close()
    several = load_exl2(base.model_copy(update={"placement": placement}), lambda _: None)
    assert_same(expected, work(several, job("a", text(1, 400)))["a"])
    several.close()
