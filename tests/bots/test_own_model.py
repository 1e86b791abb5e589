"""XiaoQ with a model of its own: real units, whose engine says what it is told to."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest
from company import found_company, running, settings_for, visiting
from peers import scripted_unit
from peers.fleet import card
from peers.model_folder import SMALL, change_json, write_exl2, write_half

from bots.app import open_house
from bots.house import House, Role
from bots.own_model import own_sockets, plan_own_model
from bots.screen import welcome
from config.engine import EngineSettings
from config.errors import ConfigError
from inference.units.keeper import Programme

UNKNOWN = "火星上有没有生命"
SECONDS = 60.0


@pytest.fixture
def company(tmp_path):
    write_half(tmp_path / "tiny", SMALL)
    write_exl2(tmp_path / "qwen", SMALL)
    return found_company(tmp_path)


def programme(cards: int = 0, **script: object) -> Programme:
    """Units that run the scripted engine, on cards that are there."""

    async def read_cards():
        return [card(number) for number in range(cards)]

    command = (sys.executable, str(Path(scripted_unit.__file__)), json.dumps(script))
    return Programme(command, read_cards)


def own_model(company, engine="transformers", folder="tiny", **more):
    inference = {"engine": engine, "model_dir": company / folder, "context_tokens": 4096}
    return {"inference": inference | {"drain_seconds": 1} | more}


async def ready(house: House) -> dict:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{house.settings.http.port}/ready") as response,
    ):
        assert response.status == 200
        return (await response.json())["parts"]["model"]


async def metrics(house: House) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{house.settings.http.port}/metrics") as response,
    ):
        return await response.text()


async def until_ready(house: House, restarts: int = 0) -> None:
    async with asyncio.timeout(SECONDS):
        while any(u.state != "ready" or u.restarts < restarts for u in house.units.units):
            await asyncio.sleep(0.05)


async def test_knowledge_answers_until_the_model_does(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company))
    told = programme(answer="火星上没有。")
    async with running(settings, programme=told) as house, visiting(house) as visitor:
        before = await visitor.ask("怎么退货")
        assert before["origin"] == "faq"
        await until_ready(house)
        after = await visitor.ask(UNKNOWN)
        assert (after["text"], after["origin"]) == ("火星上没有。", "model")


async def test_loading_is_to_be_seen_under_ready(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company))
    async with running(settings, programme=programme(load_hang=True)) as house:
        async with asyncio.timeout(SECONDS):
            while house.units.units[0].state != "loading":
                await asyncio.sleep(0.05)
        part = await ready(house)
        assert part["state"] == "degraded"
        assert part["units"][0]["state"] == "loading"
        assert not house.model.available
        assert 'xiaoq_model_units{state="loading"} 1.0' in await metrics(house)


async def test_each_card_has_a_unit_and_the_screen_names_them(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company, "exllamav2", "qwen"))
    async with running(settings, programme=programme(2)) as house:
        assert "qwen on cards 0, 1 (replicas), being loaded" in welcome(house)
        await until_ready(house)
        part = await ready(house)
        assert part["state"] == "ok"
        assert [unit["cards"] for unit in part["units"]] == [[0], [1]]
        assert "one card holds model and pool" in part["why"]


async def test_what_units_count_is_to_be_seen_with_their_names(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company, "exllamav2", "qwen"))
    told = programme(2, answer="没有。")
    async with running(settings, programme=told) as house, visiting(house) as visitor:
        await until_ready(house)
        await visitor.ask(UNKNOWN)
        said = await metrics(house)
    jobs = [line for line in said.splitlines() if line.startswith("xiaoq_model_jobs_total")]
    assert {"0", "1"} >= {line.split('unit="')[1][0] for line in jobs} != set()
    assert 'xiaoq_model_units{state="ready"} 2.0' in said
    assert said.count("# TYPE process_resident_memory_bytes") == 1


async def test_a_unit_that_dies_leaves_the_answers_to_the_other(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company, "exllamav2", "qwen"))
    told = programme(2, answer="没有。")
    async with running(settings, programme=told) as house, visiting(house) as visitor:
        await until_ready(house)
        os.kill(house.units.units[0].pid, signal.SIGKILL)
        answers = [await visitor.ask(f"{UNKNOWN} {number}") for number in range(4)]
        assert {answer["text"] for answer in answers} == {"没有。"}
        await until_ready(house)


async def test_a_question_that_a_dying_unit_had_is_answered_by_the_other(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company, "exllamav2", "qwen"))
    told = programme(2, answer="没有。", step_seconds=1.0)
    async with running(settings, programme=told) as house, visiting(house) as visitor:
        await until_ready(house)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(visitor.ask(UNKNOWN))
            os.kill(await busy_unit(house), signal.SIGKILL)
        assert asked.result()["text"] == "没有。"


async def busy_unit(house: House) -> int:
    """The process that works on a question before its first word."""
    async with asyncio.timeout(SECONDS):
        while not any(endpoint.in_flight for endpoint in house.model.endpoints):
            await asyncio.sleep(0.01)
    pairs = zip(house.units.units, house.model.endpoints, strict=True)
    return next(unit.pid for unit, endpoint in pairs if endpoint.in_flight)


async def test_units_end_with_the_house(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company))
    async with running(settings, programme=programme()) as house:
        await until_ready(house)
        (unit,) = house.units.units
        assert psutil.pid_exists(unit.pid)
    assert not psutil.pid_exists(unit.pid)


async def test_a_gateway_runs_no_model(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company))
    async with running(settings, Role.GATEWAY, programme()) as house:
        assert house.units is None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"folder": "nowhere"}, "XIAOQ_INFERENCE__MODEL_DIR: .*nowhere is no folder"),
        ({"engine": "exllamav2"}, "XIAOQ_INFERENCE__MODEL_DIR: .*is not quantised"),
        (
            {"engine": "exllamav2", "folder": "qwen"},
            "XIAOQ_INFERENCE__PLACEMENT: .*needs an NVIDIA card",
        ),
        (
            {"context_tokens": 40_000},
            "XIAOQ_INFERENCE__CONTEXT_TOKENS: holds 40000, should be at most 32768",
        ),
    ],
)
async def test_what_cannot_be_stops_the_start_in_a_line(
    company, redis_url, store, given, complaint
):
    settings = settings_for(company, redis_url, **own_model(company, **given))
    with pytest.raises(ConfigError, match=complaint):
        async with open_house(settings, programme=programme()):
            pass


async def test_memory_that_a_process_is_still_giving_back_is_waited_for(company):
    """Right after a kill the old units hold the cards for a moment."""
    readings = [[card(0, free=1.0), card(1, free=20.0)], [card(0), card(1)]]

    async def read_cards():
        return readings.pop(0)

    settings = EngineSettings(engine="exllamav2", model_dir=company / "qwen")
    fleet = await plan_own_model(settings, Programme(read_cards=read_cards))
    assert (fleet.placement, len(fleet.berths)) == ("replicas", 2)
    assert readings == []


async def test_memory_that_others_keep_is_taken_into_account(company):
    times = iter(range(0, 1000, 20))

    async def read_cards():
        return [card(0, free=1.0), card(1, free=20.0)]

    settings = EngineSettings(engine="exllamav2", model_dir=company / "qwen")
    programme = Programme(read_cards=read_cards, clock=lambda: next(times))
    with pytest.raises(
        ConfigError, match=r"XIAOQ_INFERENCE__PLACEMENT: .* 1\.0 GiB, 20\.0 GiB free"
    ):
        await plan_own_model(settings, programme)


@pytest.mark.parametrize(("adapter", "knows_it"), [("repairs", True), ("spring", False)])
async def test_a_persona_s_questions_go_to_its_own_adapter(
    company, redis_url, store, adapter, knows_it
):
    """The scripted engine knows one adapter; what asks for another is not answered by it."""
    tune(company, adapter)
    adapters = [{"name": adapter, "folder": "adapters"}]
    settings = settings_for(company, redis_url, **own_model(company, adapters=adapters))
    async with running(settings, programme=programme(answer="没有。")) as house:
        await until_ready(house)
        async with visiting(house) as visitor:
            answer = await visitor.ask(UNKNOWN)
    assert (answer["origin"] == "model") is knows_it


async def test_a_persona_whose_adapter_is_not_loaded_stops_the_start(company, redis_url, store):
    tune(company, "spring")
    settings = settings_for(company, redis_url, **own_model(company))
    with pytest.raises(ConfigError, match=r'shop.yaml: adapter: holds "spring", which is not'):
        async with open_house(settings, programme=programme()):
            pass


def tune(company: Path, adapter: str) -> None:
    """Give the shop's persona an adapter."""
    file = company / "personas/shop.yaml"
    file.write_text(file.read_text() + f"adapter: {adapter}\n")


async def test_an_engine_that_is_not_installed_stops_the_start(company, redis_url, store):
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        settings = settings_for(company, redis_url, **own_model(company))
        with pytest.raises(ConfigError, match=r"torch.* not installed; install xiaoq\[transf"):
            async with open_house(settings):
                pass
    else:
        pytest.skip("torch is installed")


async def test_all_problems_of_a_folder_are_told_at_once(company, redis_url, store):
    change_json(company / "qwen/config.json", rope_theta=None, architectures=["Other"])
    settings = settings_for(company, redis_url, **own_model(company, "exllamav2", "qwen"))
    with pytest.raises(ConfigError) as caught:
        async with open_house(settings, programme=programme(1)):
            pass
    assert len(str(caught.value).splitlines()) == 2


async def test_two_processes_do_not_run_the_same_model(company, redis_url, store):
    settings = settings_for(company, redis_url, **own_model(company))
    with own_sockets(settings.state_dir):
        with pytest.raises(ConfigError, match="another XiaoQ with this XIAOQ_STATE_DIR"):
            async with open_house(settings, programme=programme()):
                pass
