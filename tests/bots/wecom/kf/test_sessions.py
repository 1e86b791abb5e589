"""Who serves a customer: XiaoQ, or a person while XiaoQ is silent."""

import pytest
from peers.wecom_kf import ASSISTANT, ENDED, POOL, SERVICER

from bots.wecom.api import WeComApi, open_session
from bots.wecom.errors import RefusedError
from bots.wecom.kf.events import Desk
from bots.wecom.kf.records import Records, State
from bots.wecom.kf.sessions import Sessions
from config.settings import InboxSettings
from core.inbox import Inbox

RETURNS = "七天内可以退货，请在订单页申请。"
INVOICES = "下单时勾选发票，三天内发到邮箱。"
HANDOFF = "请拨打热线"


@pytest.fixture
def records(store):
    return Records(store, Inbox(store, InboxSettings(), 2))


@pytest.fixture
async def sessions(store, wecom, corp, desk, records):
    async with open_session(wecom.api_base) as session:
        api = WeComApi(session, store, wecom.api_base, corp.id, "kf-secret")
        yield Sessions(api, records)


@pytest.fixture
def customer(desk):
    with desk.silence():
        desk.says("wmA", "您好")
    return Desk("main", "wwcorp1").customer(desk.id, "wmA")


async def heard_out(kf_house, wecom, desk, number):
    """Everything that was said has been dealt with: another customer's later question was."""
    desk.says(f"wmProbe{number}", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts(f"wmProbe{number}"))


async def test_who_asks_for_a_person_gets_one(kf_house, wecom, desk):
    desk.says("wmA", "转人工")
    await wecom.wait_for(lambda: desk.sessions["wmA"].state == SERVICER)
    assert desk.texts("wmA") == [HANDOFF]
    assert desk.sessions["wmA"].servicer == "zhangwei"


async def test_where_nobody_receives_the_customer_stays_ours(kf_house, wecom, desk):
    desk.receives("zhangwei", now=False)
    desk.says("wmA", "转人工")
    await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: len(desk.texts("wmA")) > 2)
    assert desk.texts("wmA") == [HANDOFF, "已经下班", RETURNS]
    assert desk.sessions["wmA"].state == ASSISTANT


async def test_xiaoq_is_silent_while_a_person_serves_and_back_when_it_is_over(
    kf_house, wecom, desk
):
    desk.says("wmA", "转人工")
    await wecom.wait_for(lambda: desk.sessions["wmA"].state == SERVICER)
    desk.says("wmA", "怎么退货？")
    desk.types("zhangwei", "wmA", "我来看看")
    desk.says("wmA", "怎么开发票？")
    await heard_out(kf_house, wecom, desk, 1)
    assert desk.texts("wmA") == [HANDOFF, "我来看看"]
    desk.ends("zhangwei", "wmA")
    await wecom.wait_for(lambda: desk.texts("wmA", "event"))
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA")[-1] == RETURNS)
    assert "人工服务已结束" in desk.texts("wmA")[-2]


async def test_what_was_said_to_the_person_is_remembered_afterwards(kf_house, wecom, desk):
    desk.says("wmA", "转人工")
    await wecom.wait_for(lambda: desk.sessions["wmA"].state == SERVICER)
    desk.says("wmA", "订单一号坏了")
    desk.types("zhangwei", "wmA", "给您换一个")
    desk.ends("zhangwei", "wmA")
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA")[-1] == RETURNS)
    address = Desk("main", "wwcorp1").customer(desk.id, "wmA").address
    history = await kf_house.memory.load(address.key)
    assert history.exchanges[0].question == "订单一号坏了"
    assert history.exchanges[0].answer == "[人工客服] 给您换一个"


async def test_a_servicer_who_takes_over_in_the_client_silences_xiaoq(kf_house, wecom, desk):
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    desk.reopens("zhangwei", "wmA")
    desk.says("wmA", "怎么开发票？")
    await heard_out(kf_house, wecom, desk, 1)
    assert desk.texts("wmA") == [RETURNS]


async def test_who_was_taken_over_without_a_word_is_not_talked_over(kf_house, wecom, desk):
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    desk.sessions["wmA"].move(SERVICER, "zhangwei")
    desk.says("wmA", "怎么开发票？")
    await wecom.wait_for(lambda: wecom.called("kf/send_msg")[-1].errcode == 95018)
    await heard_out(kf_house, wecom, desk, 1)
    assert desk.texts("wmA") == [RETURNS]
    assert not await kf_house.inbox.dead_letters()


async def test_a_session_that_was_new_again_is_made_ours_and_the_answer_sent(kf_house, wecom, desk):
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    wecom.refuse("kf/send_msg", 95018)
    desk.sessions["wmA"].move(0)
    desk.says("wmA", "怎么开发票？")
    await wecom.wait_for(lambda: len(desk.texts("wmA")) > 1)
    assert desk.texts("wmA") == [RETURNS, INVOICES]
    assert desk.sessions["wmA"].states[-1] == ASSISTANT


async def test_a_session_that_has_ended_gets_no_answer_and_no_noise(kf_house, wecom, desk):
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    with desk.silence():
        desk.says("wmA", "怎么开发票？")
        desk.sessions["wmA"].move(ENDED)
    desk.ring()
    await heard_out(kf_house, wecom, desk, 1)
    assert desk.texts("wmA") == [RETURNS]
    assert not await kf_house.inbox.dead_letters()


async def test_a_new_session_becomes_ours(sessions, customer, desk):
    assert await sessions.own(customer) is State.ASSISTANT
    assert desk.sessions["wmA"].state == ASSISTANT


async def test_a_state_is_asked_once_a_minute(sessions, customer, wecom, records):
    await sessions.own(customer, await records.load(customer))
    await sessions.own(customer, await records.load(customer))
    assert len(wecom.called("kf/service_state/get")) == 1


async def test_a_servicer_who_stopped_meanwhile_is_passed_over(sessions, customer, desk):
    desk.servicers = {"gone": True, "zhangwei": True}
    moved = sessions.move

    async def stop_first(customer, state, servicer=""):
        desk.servicers["gone"] = False
        return await moved(customer, state, servicer)

    sessions.move = stop_first
    move = await sessions.hand_over(customer)
    assert move.servicer == "zhangwei"


async def test_where_all_stopped_meanwhile_the_pool_has_the_customer(sessions, customer, desk):
    moved = sessions.move

    async def stop_all(customer, state, servicer=""):
        desk.servicers = {}
        return await moved(customer, state, servicer)

    sessions.move = stop_all
    move = await sessions.hand_over(customer)
    assert move.state is State.POOL
    assert desk.sessions["wmA"].state == POOL
    await sessions.say_on_event(move.code, "m1", {"msgtype": "text", "text": {"content": "请稍候"}})
    assert desk.texts("wmA", "event") == ["请稍候"]


async def test_an_ended_session_cannot_be_moved(sessions, customer, desk):
    await sessions.end(customer)
    with pytest.raises(RefusedError) as caught:
        await sessions.move(customer, State.ASSISTANT)
    assert caught.value.code == 95013
    assert await sessions.own(customer) is State.ENDED
