"""The app's platform, its members or our Redis fail."""

import asyncio

import pytest
from company import free_port

from bots.http import open_door
from bots.wecom.callback import Callback
from config.settings import HttpSettings, WeComSettings
from core.health import Health
from core.redis import open_store

RETURNS = "七天内可以退货，请在订单页申请。"


async def test_without_redis_wecom_must_send_again(entry, wecom, corp, app, tmp_path):
    """What cannot be known to be new is not taken."""
    settings = WeComSettings(**entry(corp, agent_id=app.id, app_secret=app.secret))

    async def hear(_fields):
        return True

    async with open_store(f"unix://{tmp_path}/nobody") as away:
        routes = Callback(settings, away).mount(hear)
        async with open_door(HttpSettings(port=free_port()), routes, Health()) as url:
            corp.endpoint.url = f"{url}/wecom/callback"
            delivery = app.says("lihua", "怎么退货？")
            await wecom.all_acknowledged()
    assert [seen.status for seen in delivery.tries] == [503, 503, 503]


async def test_a_callback_is_answered_at_once_whatever_the_api_does(app_house, wecom, app):
    wecom.latency = 30.0
    delivery = app.says("lihua", "怎么退货？")
    await wecom.wait_for(lambda: delivery.over, 3)
    assert delivery.acked
    assert delivery.tries[0].body == ""
    wecom.latency = 0.0


@pytest.mark.parametrize("others", [set(), {"zhangwei"}])
async def test_a_member_who_may_not_see_the_app_any_more_ends_the_turn(
    app_house, wecom, app, others
):
    """Nobody is left, or only others: neither is tried for ever."""
    app.says("lihua", "怎么退货？")
    app.members = others
    await wecom.wait_for(lambda: any(call.errcode == 81013 for call in wecom.calls))
    app.members = {"lihua", "zhangwei"}
    app.says("lihua", "怎么开发票？")
    await wecom.wait_for(lambda: app.texts("lihua"))
    assert app.texts("lihua") == ["下单时勾选发票，三天内发到邮箱。"]
    assert not await app_house.inbox.dead_letters()


async def test_members_who_write_while_the_token_ends_are_all_answered(app_house, wecom, app):
    app.members = {f"member{number}" for number in range(20)}
    for number, user in enumerate(sorted(app.members)):
        app.says(user, "怎么退货？")
        if number == 10:
            wecom.tokens.revoke()
        await asyncio.sleep(0.01)
    await wecom.wait_for(lambda: all(app.texts(user) for user in app.members), 20)
    assert all(app.texts(user) == [RETURNS] for user in app.members)
    assert wecom.tokens.asked <= 3


async def test_a_storm_of_45009_keeps_no_member_from_an_answer(app_house, wecom, app):
    wecom.refuse("message/send", 45009, times=3)
    for user in sorted(app.members):
        app.says(user, "怎么退货？")
    await wecom.wait_for(lambda: all(app.texts(user) for user in app.members), 20)
    assert all(app.texts(user) == [RETURNS] for user in app.members)
