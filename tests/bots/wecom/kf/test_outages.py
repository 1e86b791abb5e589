"""WeCom fails in the middle of traffic: everybody is answered in the end, and once."""

import asyncio

import pytest

RETURNS = "七天内可以退货，请在订单页申请。"
CUSTOMERS = [f"wm{number}" for number in range(30)]


@pytest.fixture
def traffic(wecom, desk):
    """Customers who write one after another while something happens."""

    async def flow(trouble, seconds=20.0):
        for number, user in enumerate(CUSTOMERS):
            desk.says(user, "怎么退货？")
            if number == len(CUSTOMERS) // 3:
                await trouble()
            await asyncio.sleep(0.005)
        await wecom.wait_for(lambda: all(desk.texts(user) for user in CUSTOMERS), seconds)
        assert all(desk.texts(user) == [RETURNS] for user in CUSTOMERS)

    return flow


@pytest.mark.parametrize("end", ["revoke", "expire"])
async def test_a_token_that_ends_in_the_middle_costs_nobody_an_answer(
    kf_house, wecom, traffic, end
):
    async def trouble():
        getattr(wecom.tokens, end)()

    before = wecom.tokens.asked
    await traffic(trouble)
    assert wecom.tokens.asked - before <= 2


async def test_a_storm_of_45009_costs_nobody_an_answer(kf_house, wecom, traffic):
    async def trouble():
        for method in ("kf/sync_msg", "kf/send_msg", "kf/service_state/get"):
            wecom.refuse(method, 45009, times=3)

    await traffic(trouble)
    refused = [call for call in wecom.calls if call.errcode == 45009]
    assert len(refused) < 3 * 3 + 10


async def test_a_wecom_that_goes_away_and_comes_back_is_answered(kf_house, wecom, traffic):
    async def trouble():
        await wecom.down()
        await asyncio.sleep(0.5)
        await wecom.up()

    await traffic(trouble)


async def test_answers_that_get_lost_on_the_way_are_shown_once(kf_house, wecom, traffic):
    async def trouble():
        wecom.fail("kf/send_msg", "lost", times=5)
        wecom.fail("kf/sync_msg", "lost")
        wecom.fail("kf/service_state/trans", "lost", times=2)

    await traffic(trouble)


async def test_a_caller_who_is_no_longer_trusted_answers_when_trusted_again(
    kf_house, wecom, corp, desk
):
    desk.says("wmA", "怎么退货？")
    await wecom.wait_for(lambda: desk.texts("wmA"))
    corp.is_trusted = False
    desk.says("wmB", "怎么退货？")
    await wecom.wait_for(lambda: any(call.errcode == 60020 for call in wecom.calls))
    assert not desk.texts("wmB")
    corp.is_trusted = True
    await wecom.wait_for(lambda: desk.texts("wmB"), 10)


async def test_two_replicas_answer_everybody_once(open_house, entry, wecom, corp, desk, traffic):
    """The bells ring at the second; whoever gets the lock pulls."""

    async def trouble():
        await asyncio.sleep(0)

    settings = entry(corp, kf_secret="kf-secret")
    async with open_house(settings), open_house(settings):
        await traffic(trouble)


async def test_a_model_that_answers_many_at_once_keeps_nobody_waiting(
    open_house, entry, wecom, corp, desk, thinking
):
    """Least of all until the patience ends that was not needed."""
    settings = entry(corp, kf_secret="kf-secret", kf_thinking_seconds=60)
    async with open_house(settings, **thinking):
        for user in CUSTOMERS:
            desk.says(user, f"怎么办{user}")
        await wecom.wait_for(lambda: all(desk.texts(user) for user in CUSTOMERS), 20)
    assert all(len(desk.texts(user)) == 1 for user in CUSTOMERS)
