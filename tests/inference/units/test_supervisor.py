"""Real processes that crash, hang, lie about their health and refuse to start."""

import asyncio
import os
import signal
import time

import pytest
from peers.fleet import card, supervised


async def test_a_unit_is_loaded_and_then_ready(tmp_path):
    async with supervised(tmp_path, ["good"]) as fleet:
        loading = await fleet.until(0, "loading")
        assert loading.restarts == 0
        assert (await fleet.until(0, "ready")).progress == 1
        assert [is_open for _, is_open in fleet.told] == [False, True]
    assert fleet.processes() == []
    assert fleet.told[-1] == (fleet.supervisor.endpoints[0], False)


async def test_a_unit_that_breaks_is_started_again(tmp_path):
    async with supervised(tmp_path, ["crash", "good"]) as fleet:
        down = await fleet.until(0, "waiting")
        assert down.reason == "its engine broke; its log says how"
        assert down.retry_seconds <= 1.0
        assert (await fleet.until(0, "ready")).restarts == 1


async def test_a_unit_that_is_killed_while_it_serves_is_started_again(tmp_path):
    async with supervised(tmp_path, ["good"]) as fleet:
        await fleet.until(0, "ready")
        os.kill(fleet.lives()[0][0], signal.SIGKILL)
        down = await fleet.until(0, "waiting")
        assert down.reason.startswith("was killed by SIGKILL")
        await fleet.until(0, "ready", restarts=1)
        assert [is_open for _, is_open in fleet.told] == [False, True, False, True]


async def test_pauses_between_starts_grow(tmp_path):
    async with supervised(tmp_path, ["killed", "crash", "crash", "good"]) as fleet:
        first = (await fleet.until(0, "waiting")).retry_seconds
        second = (await fleet.until(0, "waiting", restarts=1)).retry_seconds
        assert 0.5 <= first <= 1.0 <= second <= 2.0


async def test_a_unit_that_was_well_for_long_has_its_earlier_failures_forgotten(tmp_path):
    ahead, looks = 0.0, 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return time.monotonic() + ahead

    lives = ["crash", "crash", "crash", "good"]
    async with supervised(tmp_path, lives, clock=clock, hang_seconds=20) as fleet:
        await fleet.until(0, "ready", restarts=3)
        ahead, seen = 61.0, looks
        while looks < seen + 2:
            await asyncio.sleep(0.02)
        os.kill(fleet.lives()[-1][0], signal.SIGKILL)
        assert (await fleet.until(0, "waiting", restarts=3)).retry_seconds <= 1.0


async def test_a_signal_without_a_name_is_told_by_its_number(tmp_path):
    async with supervised(tmp_path, ["good"]) as fleet:
        await fleet.until(0, "ready")
        os.kill(fleet.lives()[0][0], signal.SIGRTMIN + 3)
        down = await fleet.until(0, "waiting")
        assert down.reason == f"was killed by signal {signal.SIGRTMIN + 3}"


@pytest.mark.parametrize("fault", ["freeze", "lie"])
async def test_a_unit_whose_engine_shows_no_life_is_ended(tmp_path, fault):
    async with supervised(tmp_path, [fault, "good"]) as fleet:
        await fleet.until(0, "ready")
        down = await fleet.until(0, "waiting")
        assert down.reason.startswith("no sign of life for")
        await fleet.until(0, "ready", restarts=1)
        assert len(fleet.processes()) == 1


@pytest.mark.parametrize("fault", ["load for ever", "rave"])
async def test_a_unit_that_does_not_become_ready_is_ended(tmp_path, fault):
    async with supervised(tmp_path, [fault, "good"], load_seconds=1) as fleet:
        down = await fleet.until(0, "waiting")
        assert down.reason.startswith("the model was not loaded in")
        assert [is_open for _, is_open in fleet.told] == [False, False]


async def test_a_unit_that_refuses_says_why_and_is_not_hurried(tmp_path):
    async with supervised(tmp_path, ["refuse"]) as fleet:
        refused = await fleet.until(0, "refused")
        assert refused.reason == "the tokenizer is broken"
        assert refused.retry_seconds == 30
        assert len(fleet.lives()) == 1


async def test_each_unit_has_cards_of_its_own(tmp_path):
    cards = [card(0), card(1)]
    async with supervised(tmp_path, ["good"], ["good"], cards=cards) as fleet:
        await fleet.until(0, "ready")
        await fleet.until(1, "ready")
        assert [fleet.lives(number)[0][1] for number in (0, 1)] == ["GPU-0", "GPU-1"]


async def test_a_unit_is_told_the_prompts_of_the_moment_at_each_start(tmp_path):
    async with supervised(tmp_path, ["good"]) as fleet:
        fleet.prompts[:] = ["您是小Q"]
        await fleet.until(0, "ready")
        assert fleet.order().warm_up == ("您是小Q",)
        fleet.prompts[:] = ["您是维修助手"]
        os.kill(fleet.lives()[0][0], signal.SIGKILL)
        await fleet.until(0, "ready", restarts=1)
        assert fleet.order().warm_up == ("您是维修助手",)
        assert fleet.order().settings.served_name == "model"


async def test_one_that_falls_disturbs_no_other(tmp_path):
    cards = [card(0), card(1)]
    async with supervised(tmp_path, ["crash"], ["good"], cards=cards) as fleet:
        await fleet.until(1, "ready")
        await fleet.until(0, "waiting", restarts=1)
        assert fleet.unit(1).state == "ready"
        assert len(fleet.lives(1)) == 1


async def test_without_its_card_a_unit_waits_while_the_rest_carries_on(tmp_path):
    cards = [card(0), card(1)]
    async with supervised(tmp_path, ["good"], ["good"], cards=cards) as fleet:
        await fleet.until(0, "ready")
        await fleet.until(1, "ready")
        # What is left moves up: the second card is number 0 now, and yet not the first one.
        moved = card(1)
        fleet.cards[:] = [type(moved)(0, moved.total, moved.free, moved.name, moved.uuid)]
        os.kill(fleet.lives(0)[0][0], signal.SIGKILL)
        lost = await fleet.until(0, "lost")
        assert lost.reason == "card 0 is not there any more"
        assert fleet.unit(1).state == "ready"


async def test_a_split_goes_on_with_the_cards_that_are_left(tmp_path):
    cards = [card(number) for number in range(3)]
    async with supervised(tmp_path, ["good"], cards=cards, placement="split") as fleet:
        await fleet.until(0, "ready")
        assert fleet.lives()[0][1] == "GPU-0,GPU-1,GPU-2"
        fleet.cards.pop(1)
        os.kill(fleet.lives()[0][0], signal.SIGKILL)
        ready = await fleet.until(0, "ready", restarts=1)
        assert fleet.lives()[1][1] == "GPU-0,GPU-2"
        assert ready.lost_cards == (1,)


async def test_memory_that_others_took_is_named_before_anything_is_loaded(tmp_path):
    async with supervised(tmp_path, ["good"], cards=[card(0)]) as fleet:
        await fleet.until(0, "ready")
        fleet.cards[:] = [card(0, free=5.0)]
        os.kill(fleet.lives()[0][0], signal.SIGKILL)
        refused = await fleet.until(0, "refused")
        assert refused.reason.startswith("card 0 has 5.0 GiB free, but")
        assert len(fleet.lives()) == 1
        # It may be the unit's own, on its way back: that is no reason to wait for long.
        assert refused.retry_seconds <= 2
        fleet.cards[:] = [card(0)]
        await fleet.until(0, "ready")


async def test_a_unit_that_does_not_drain_is_killed(tmp_path):
    async with supervised(tmp_path, ["stubborn"], drain_seconds=0) as fleet:
        await fleet.until(0, "ready")
        assert len(fleet.processes()) == 1
    assert fleet.processes() == []


async def test_a_stop_in_the_middle_of_loading_leaves_nothing(tmp_path):
    async with supervised(tmp_path, ["load for ever"]) as fleet:
        while not fleet.processes():
            await asyncio.sleep(0.02)
    assert fleet.processes() == []
