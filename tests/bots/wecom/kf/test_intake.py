"""What a page makes happen: all of it, however often the page has to be read, and nothing twice."""

import time
from functools import partial
from types import SimpleNamespace

import pytest

from bots.wecom.kf.account import open_kf
from bots.wecom.kf.events import Desk
from bots.wecom.kf.records import FRESH_SECONDS, State
from core.errors import StoreUnavailableError

RETURNS = "七天内可以退货，请在订单页申请。"


@pytest.fixture
def settings(entry, corp, desk):
    return entry(corp, kf_secret="kf-secret")


@pytest.fixture
async def intake(open_part, worker, wecom):
    part = partial(open_part, open_kf, personas=worker.personas, memory=worker.memory)
    async with part() as account:
        yield account._puller._intake


@pytest.fixture
def customer(desk):
    with desk.silence():
        desk.says("wmA", "您好")
    desk.items.clear()
    return Desk("main", "wwcorp1").customer(desk.id, "wmA")


@pytest.fixture
def records(intake):
    return intake._records


@pytest.fixture
def interrupted(intake, records, monkeypatch):
    """Take a page twice: the first time Redis goes away before anything more is written."""

    async def gone(*_):
        raise StoreUnavailableError

    async def taken(desk):
        with monkeypatch.context() as patched:
            patched.setattr(records, "write", gone)
            with pytest.raises(StoreUnavailableError):
                await intake.take(desk.items, desk.id, 0.0)
        for _ in range(2):
            await intake.take(desk.items, desk.id, 0.0)

    return taken


async def words(intake, customer):
    return [line async for line in _lines(intake, customer)]


async def _lines(intake, customer):
    transcript = intake._transcript
    for raw in await transcript._store.lrange(transcript._key(customer), 0, -1):
        yield raw


async def test_what_a_servicer_said_outlives_a_redis_that_went_away(
    intake, interrupted, desk, customer
):
    with desk.silence():
        desk.types("zhangwei", "wmA", "我来看看")
    await interrupted(desk)
    assert await words(intake, customer) == ['["servicer","我来看看"]']


async def test_what_was_said_to_a_servicer_outlives_a_redis_that_went_away(
    intake, interrupted, desk, customer, records
):
    await records.write(records.moved(customer, State.SERVICER))
    with desk.silence():
        desk.says("wmA", "订单坏了")
    await interrupted(desk)
    assert await words(intake, customer) == ['["customer","订单坏了"]']


async def test_the_end_of_a_session_outlives_a_redis_that_went_away(
    interrupted, desk, customer, records
):
    await records.write(records.moved(customer, State.SERVICER))
    with desk.silence():
        desk.ends("zhangwei", "wmA")
    await interrupted(desk)
    assert (await records.load(customer)).state is State.ENDED
    assert len(desk.texts("wmA", "event")) == 1


async def test_a_failed_delivery_outlives_a_redis_that_went_away(
    interrupted, desk, customer, worker, store
):
    with desk.silence():
        desk.send_fails("wmA", "m1", 10)
    await interrupted(desk)
    partition = worker.inbox.partition(customer.address.key)
    failed = [record for _, record in await store.xrange(partition.key("audit"))]
    assert [record.get("reason") for record in failed] == ["customer refuses"]
    assert b'reason="customer refuses"} 1.0' in worker.metrics.render()


async def test_what_was_said_to_a_servicer_is_not_answered_when_its_page_comes_again(
    intake, desk, customer, records, wecom
):
    await records.write(records.moved(customer, State.SERVICER))
    with desk.silence():
        desk.says("wmA", "怎么开发票？")
        desk.ends("zhangwei", "wmA")
        desk.says("wmA", "怎么退货？")
    for _ in range(2):
        await intake.take(desk.items, desk.id, 0.0)
    await wecom.wait_for(lambda: desk.texts("wmA", "api"))
    await intake.take(desk.items, desk.id, 0.0)
    with desk.silence():
        desk.says("wmB", "怎么退货？")
    await intake.take(desk.items, desk.id, 0.0)
    await wecom.wait_for(lambda: desk.texts("wmB"))
    assert desk.texts("wmA", "api") == [RETURNS]


@pytest.mark.parametrize("code", [45009, -1, 95000])
async def test_who_may_have_been_given_back_by_a_servicer_is_not_kept_waiting_for_ever(
    intake, desk, customer, records, wecom, code
):
    """Nobody can say now whose the customer is: whoever answers asks again, and can wait."""
    held = records._set(
        customer, state=str(int(State.SERVICER)), state_at=str(time.time() - FRESH_SECONDS)
    )
    await records.write(held)
    wecom.refuse("kf/service_state/get", code)
    with desk.silence():
        desk.says("wmA", "怎么退货？")
    await intake.take(desk.items, desk.id, 0.0)
    await wecom.wait_for(lambda: desk.texts("wmA"))
    assert desk.texts("wmA") == [RETURNS]


async def test_a_session_state_that_makes_no_sense_stops_nobody(
    intake, desk, customer, records, monkeypatch
):
    call = intake._api.call

    async def odd(method, *args, **more):
        answer = await call(method, *args, **more)
        return {} if method == "kf/service_state/get" else answer

    held = records._set(
        customer, state=str(int(State.SERVICER)), state_at=str(time.time() - FRESH_SECONDS)
    )
    await records.write(held)
    monkeypatch.setattr(intake._sessions._api, "call", odd)
    with desk.silence():
        desk.says("wmA", "怎么退货？")
        desk.says("wmB", "怎么退货？")
    await intake.take(desk.items, desk.id, 0.0)


async def test_who_writes_far_too_fast_is_told_so_once_and_not_for_each_message(
    intake, desk, customer, wecom, monkeypatch
):
    """To say it a hundred times would keep the account's other customers waiting."""
    minute = SimpleNamespace(time=partial(float, time.time()))  # a new one would be told again
    monkeypatch.setattr("bots.wecom.kf.intake.time", minute)
    full = intake._inbox._settings.model_copy(update={"lane_length": 0})
    monkeypatch.setattr(intake._inbox, "_settings", full)
    with desk.silence():
        for number in range(100):
            desk.says("wmA", f"问题{number}")
    await intake.take(desk.items, desk.id, 0.0)
    assert len(wecom.called("kf/send_msg")) == 1
    assert "太快" in desk.texts("wmA")[0]
