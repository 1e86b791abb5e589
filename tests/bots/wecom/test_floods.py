"""More than can be taken: nobody waits in silence, and nobody waits for somebody else's flood."""

import pytest
from peers.model import answer

RETURNS = "七天内可以退货，请在订单页申请。"
SLOW = {"lease_seconds": 2, "grace_seconds": 2, "lane_length": 2}


@pytest.fixture
def settings(entry, corp, app, desk):
    return entry(corp, agent_id=app.id, app_secret=app.secret, kf_secret="kf-secret")


async def test_who_writes_too_fast_to_kf_is_told_and_others_are_answered(
    open_house, settings, wecom, desk, thinking, model
):
    model.default = answer(delay=0.1)
    async with open_house(settings, inbox=SLOW, **thinking):
        with desk.holding():
            for number in range(6):
                desk.says("wmFast", f"问题{number}")
            desk.says("wmOther", "在吗")
        await wecom.wait_for(lambda: desk.texts("wmOther") and len(desk.texts("wmFast")) > 1)
    assert [text for text in desk.texts("wmFast") if "太快" in text]
    assert [text for text in desk.texts("wmFast") if "问题0" in text]


async def test_who_writes_too_fast_to_the_app_is_told(
    open_house, settings, wecom, app, thinking, model
):
    model.default = answer(delay=0.1)
    async with open_house(settings, inbox=SLOW, **thinking):
        for number in range(6):
            app.says("lihua", f"问题{number}")
        await wecom.wait_for(lambda: any("太快" in text for text in app.texts("lihua")))
        await wecom.wait_for(lambda: any("问题" in text for text in app.texts("lihua")))
    assert all(delivery.acked for delivery in wecom.courier.deliveries)


async def test_what_a_full_inbox_cannot_take_stays_with_wecom_until_it_can(
    open_house, settings, wecom, desk
):
    full = {"lease_seconds": 2, "grace_seconds": 2, "backlog": 2}
    async with open_house(settings, inbox=full):
        with desk.holding():
            for number in range(5):
                desk.says(f"wm{number}", "怎么退货？")
        await wecom.wait_for(lambda: all(desk.texts(f"wm{n}") for n in range(5)), 60)
    assert all(desk.texts(f"wm{number}") == [RETURNS] for number in range(5))


async def test_who_writes_to_the_app_when_the_inbox_is_full_is_told_so(
    open_house, settings, wecom, app, thinking, model
):
    model.default = answer(delay=0.3)
    full = {"lease_seconds": 2, "grace_seconds": 2, "backlog": 1}
    async with open_house(settings, inbox=full, **thinking):
        for number in range(6):
            app.says("lihua", f"问题{number}")
        await wecom.wait_for(lambda: any("人较多" in text for text in app.texts("lihua")))
    assert all(delivery.acked for delivery in wecom.courier.deliveries)
