"""Pulling: the cursor follows what was accepted, and bells are answered by whoever pulls."""

import asyncio
import time

import pytest
from redis.asyncio.lock import Lock

from bots.wecom.api import WeComApi, open_session
from bots.wecom.errors import AwayError
from bots.wecom.kf.bells import Bells
from bots.wecom.kf.intake import FullError
from bots.wecom.kf.pull import BUSY_SECONDS, Puller, Rest
from core.errors import StoreUnavailableError
from core.tasks import beside


class Listening:
    """Takes pages; fails as often as it is told to."""

    def __init__(self):
        self.heard, self.sinces, self.errors = [], [], []
        self.changed = asyncio.Event()

    async def take(self, items, open_kfid, since):
        self.changed.set()
        self.sinces.append(since)
        if self.errors:
            raise self.errors.pop(0)
        self.heard += [item["text"]["content"] for item in items]

    async def until(self, count):
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def listening():
    return Listening()


@pytest.fixture
async def kf_api(store, wecom, corp):
    async with open_session(wecom.api_base) as session:
        yield WeComApi(session, store, wecom.api_base, corp.id, "kf-secret")


@pytest.fixture
def bells(store, corp):
    return Bells(store, corp.id)


@pytest.fixture
def puller(kf_api, store, bells, listening):
    return Puller(kf_api, store, bells, listening)


async def test_a_bell_rings_once_for_what_came_until_then(puller, listening, desk):
    with desk.silence():
        for number in range(3):
            desk.says("wmA", str(number))
    async with beside(puller.run()):
        await puller.ring(desk.id, "")
        await listening.until(3)
    assert listening.heard == ["0", "1", "2"]


@pytest.mark.parametrize("error", [FullError(), StoreUnavailableError()])
async def test_a_page_that_was_not_accepted_comes_again(puller, listening, desk, bells, error):
    listening.errors = [error]
    with desk.silence():
        desk.says("wmA", "等等")
    async with beside(puller.run()):
        await listening.until(1)
    assert len(desk.pulls) == 2
    assert listening.heard == ["等等"]


async def test_a_pull_that_was_cut_off_leaves_bell_and_cursor_where_they_were(
    puller, kf_api, store, bells, desk
):
    await bells.ring(desk.id, "token")
    await bells.move_cursor(desk.id, f"c-{desk.id}-0-0")
    desk.says("wmA", "等等")
    before = await bells.look(desk.id)
    reached = asyncio.Event()

    class Hanging:
        async def take(self, items, open_kfid, since):
            reached.set()
            await asyncio.Event().wait()

    async with beside(Puller(kf_api, store, bells, Hanging()).run()):
        await reached.wait()
    assert await bells.look(desk.id) == before
    assert not await store.exists(f"{bells.name(desk.id)}:pull")


async def test_a_bell_that_rings_during_a_pull_is_answered_by_the_same(
    kf_api, store, bells, desk, wecom
):
    heard, rung = [], asyncio.Event()

    class Slow(Listening):
        async def take(self, items, open_kfid, since):
            if not heard:
                with desk.silence():
                    desk.says("wmA", "später")
                await bells.ring(desk.id, "")
            heard.extend(items)
            if len(heard) > 1:
                rung.set()

    with desk.silence():
        desk.says("wmA", "zuerst")
    async with beside(Puller(kf_api, store, bells, Slow()).run()), asyncio.timeout(5):
        await rung.wait()
    assert [item["text"]["content"] for item in heard] == ["zuerst", "später"]


async def test_a_bell_brings_a_refused_account_forward_each_time_later(
    puller, listening, wecom, desk, monkeypatch
):
    monkeypatch.setattr("bots.wecom.kf.pull.FIRST_REFUSED_SECONDS", 0.05)
    wecom.refuse("kf/sync_msg", 95000, times=3)
    with desk.silence():
        desk.says("wmA", "等等")
    began = time.monotonic()
    async with beside(puller.run()), asyncio.timeout(5):
        while not listening.heard:
            await puller.ring(desk.id, "")
            await asyncio.sleep(0.005)
    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2
    assert [call.errcode for call in wecom.called("kf/sync_msg")][:4] == [95000, 95000, 95000, 0]


async def test_a_refused_account_is_tried_again_no_later_than_in_a_minute(puller, wecom, desk):
    wecom.refuse("kf/sync_msg", 95000, times=10)
    rests = [await puller._try(desk.id) for _ in range(10)]
    assert [rest.rung for rest in rests] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert {rest.unrung for rest in rests} == {60}
    await puller._try(desk.id)
    wecom.refuse("kf/sync_msg", 95000)
    assert (await puller._try(desk.id)).rung == 1


async def test_a_bell_does_not_bring_forward_what_was_called_too_often(puller, wecom, desk):
    wecom.refuse("kf/sync_msg", 45009)
    rest = await puller._try(desk.id)
    assert rest == Rest.whole(0.2)


async def test_who_finds_another_pulling_leaves_it_alone(puller, listening, store, bells, desk):
    other = Lock(store, f"{bells.name(desk.id)}:pull", timeout=30, thread_local=False)
    async with other:
        await puller.ring(desk.id, "token")
        assert await puller._try(desk.id) == Rest.whole(BUSY_SECONDS)
    assert not desk.pulls
    assert (await bells.look(desk.id)).token == "token"


async def test_more_that_never_comes_is_not_waited_for_without_end(
    puller, listening, desk, bells, store
):
    desk.empty_pages = 10_000
    with desk.silence():
        desk.says("wmA", "等等")
    with pytest.raises(AwayError):
        await puller._read_pages(desk.id, await bells.look(desk.id))
    assert len(desk.pulls) == 100


async def test_only_the_first_pull_ever_passes_over_what_is_old(puller, listening, desk):
    async with beside(puller.run()):
        with desk.silence():
            desk.says("wmA", "1")
        await puller.ring(desk.id, "")
        await listening.until(1)
        with desk.silence():
            desk.says("wmA", "2")
        await puller.ring(desk.id, "")
        await listening.until(2)
    assert listening.sinces[0] > 0
    assert listening.sinces[-1] == 0


async def test_a_first_pull_that_was_cut_off_still_passes_over_what_is_old(
    kf_api, store, bells, desk
):
    class Failing(Listening):
        async def take(self, items, open_kfid, since):
            await super().take(items, open_kfid, since)
            if len(self.heard) == 1:
                self.errors = [FullError()]

    listening, desk.page = Failing(), 1
    with desk.silence():
        for number in range(3):
            desk.says("wmA", str(number))
    async with beside(Puller(kf_api, store, bells, listening).run()):
        await listening.until(3)
    assert listening.heard[:3] == ["0", "1", "2"]
    assert len(set(listening.sinces[:4])) == 1
    assert listening.sinces[0] > 0


async def test_a_page_that_leads_nowhere_is_not_read_without_end(
    puller, listening, desk, bells, store, monkeypatch
):
    page = {"msg_list": [{"text": {"content": "等等"}}], "has_more": 1, "next_cursor": ""}

    async def same(*_):
        return page

    monkeypatch.setattr(puller, "_page", same)
    with pytest.raises(AwayError):
        async with asyncio.timeout(20):
            await puller._read_pages(desk.id, await bells.look(desk.id))
    assert len(listening.heard) == 100


async def test_a_page_that_takes_long_is_nobody_elses_meanwhile(
    kf_api, puller, store, bells, desk, monkeypatch
):
    monkeypatch.setattr("bots.wecom.kf.pull.LOCK_SECONDS", 0.3)
    reached, goes_on = asyncio.Event(), asyncio.Event()

    class Slow(Listening):
        async def take(self, items, open_kfid, since):
            reached.set()
            await goes_on.wait()
            await super().take(items, open_kfid, since)

    slow = Slow()
    with desk.silence():
        desk.says("wmA", "等等")
    async with beside(Puller(kf_api, store, bells, slow).run()), asyncio.timeout(5):
        await reached.wait()
        await asyncio.sleep(0.7)
        assert await puller._try(desk.id) == Rest.whole(BUSY_SECONDS)
        goes_on.set()
        await slow.until(1)
    assert (slow.heard, puller._intake.heard) == (["等等"], [])


async def test_who_lost_an_account_to_another_stops_pulling_it(
    kf_api, store, bells, desk, monkeypatch
):
    monkeypatch.setattr("bots.wecom.kf.pull.LOCK_SECONDS", 0.3)

    class Endless(Listening):
        async def take(self, items, open_kfid, since):
            await store.set(f"{bells.name(desk.id)}:pull", "another")
            await asyncio.Event().wait()

    before = await bells.look(desk.id)
    desk.says("wmA", "等等")
    async with asyncio.timeout(5):
        rest = await Puller(kf_api, store, bells, Endless())._try(desk.id)
    assert rest == Rest.whole(0.2)
    assert (await bells.look(desk.id)).cursor == before.cursor
