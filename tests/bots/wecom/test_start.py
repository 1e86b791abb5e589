"""How accounts of WeCom come up, fall, and come back."""

import asyncio

import pytest

from config.errors import ConfigError

RETURNS = "七天内可以退货，请在订单页申请。"


@pytest.fixture
def settings(entry, corp, app, desk):
    return entry(corp, agent_id=app.id, app_secret=app.secret, kf_secret="kf-secret")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"app_secret": "wrong-secret"}, "XIAOQ_WECOM__APP_SECRET"),
        ({"kf_secret": "wrong-secret"}, "XIAOQ_WECOM__KF_SECRET"),
        ({"agent_id": 1000009}, "XIAOQ_WECOM__AGENT_ID"),
    ],
)
async def test_what_wecom_refuses_stops_the_start_with_one_line(open_house, settings, wrong, named):
    with pytest.raises(ConfigError) as caught:
        async with open_house(settings | wrong):
            pass
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{named}: WeCom refuses it")
    assert "wrong-secret" not in line


async def test_an_address_that_is_not_trusted_yet_leaves_the_callback_open(
    open_house, settings, wecom, corp, app
):
    """The console names trusted addresses only after the callback's own has answered."""
    corp.is_trusted = False
    async with open_house(settings) as house:
        assert await wecom.courier.verify(corp.endpoint)
        _, report = await house.health.report()
        assert "企业可信IP" in report["parts"]["wecom:main"]["error"]
        corp.is_trusted = True
        app.says("lihua", "怎么退货？")
        await wecom.wait_for(lambda: app.texts("lihua"))
        async with asyncio.timeout(5):
            while (await house.health.report())[1]["parts"]["wecom:main"]["state"] != "ok":
                await asyncio.sleep(0.05)


async def test_a_kf_that_may_not_be_called_yet_leaves_the_app_alone(
    open_house, settings, wecom, app
):
    wecom.refuse("kf/account/list", 48002, times=100)
    async with open_house(settings) as house:
        _, report = await house.health.report()
        assert "可调用接口的应用" in report["parts"]["wecom-kf:main"]["error"]
        app.says("lihua", "怎么退货？")
        await wecom.wait_for(lambda: app.texts("lihua"))


async def test_app_and_kf_hear_through_one_callback(open_house, settings, wecom, app, desk):
    async with open_house(settings):
        app.says("lihua", "怎么退货？")
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: app.texts("lihua") and desk.texts("wmA"))
    assert (app.texts("lihua"), desk.texts("wmA")) == ([RETURNS], [RETURNS])


async def test_what_cannot_be_looked_at_is_answered_all_the_same(
    open_house, settings, wecom, app, desk
):
    wecom.fail("kf/account/list", 404, times=9)
    wecom.fail("agent/get", 404, times=9)
    async with open_house(settings) as house:
        _, report = await house.health.report()
        desk.says("wmA", "怎么退货？")
        app.says("lihua", "怎么退货？")
        await wecom.wait_for(lambda: app.texts("lihua") and desk.texts("wmA"))
    assert report["parts"]["wecom-kf:main"]["state"] == "ok"


async def test_a_wecom_that_is_away_at_the_start_is_waited_for(open_house, settings, wecom, desk):
    await wecom.down()
    async with open_house(settings) as house:
        _, report = await house.health.report()
        assert report["parts"]["wecom-kf:main"]["state"] == "degraded"
        assert "away" in report["parts"]["wecom:main"]["error"]
        await wecom.up()
        with desk.silence():
            desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"), 10)
        _, report = await house.health.report()
        assert report["parts"]["wecom-kf:main"]["state"] == "ok"


async def test_what_comes_while_the_api_is_down_is_answered_afterwards(
    open_house, settings, wecom, app, desk
):
    async with open_house(settings):
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        await wecom.down()
        app.says("lihua", "怎么退货？")
        desk.says("wmA", "怎么开发票？")
        await wecom.all_acknowledged()
        await asyncio.sleep(0.3)
        await wecom.up()
        await wecom.wait_for(lambda: app.texts("lihua") and len(desk.texts("wmA")) > 1, 20)
    assert app.texts("lihua") == [RETURNS]
    assert desk.texts("wmA") == [RETURNS, "下单时勾选发票，三天内发到邮箱。"]


async def test_a_token_that_is_revoked_in_the_middle_disturbs_nobody(
    open_house, settings, wecom, app, desk
):
    async with open_house(settings):
        for number in range(10):
            desk.says(f"wm{number}", "怎么退货？")
            app.says("lihua", "怎么退货？")
            wecom.tokens.revoke()
        await wecom.wait_for(lambda: all(desk.texts(f"wm{n}") for n in range(10)))
        await wecom.wait_for(lambda: app.texts("lihua"))


async def test_two_gateways_pull_and_answer_each_item_once(open_house, settings, wecom, desk, corp):
    async with open_house(settings), open_house(settings):
        for number in range(30):
            desk.says(f"wm{number}", "怎么退货？")
        await wecom.wait_for(lambda: all(desk.texts(f"wm{n}") for n in range(30)), 15)
        corp.endpoint.url = ""
    assert all(desk.texts(f"wm{number}") == [RETURNS] for number in range(30))


async def test_a_persona_can_claim_one_kf_account(open_house, settings, wecom, corp, desk, company):
    from company import write_persona

    write_persona(company, "repairs", "小修", '"wecom-kf:main/wkBBB"')
    text = (company / "personas/repairs.yaml").read_text()
    (company / "personas/repairs.yaml").write_text(text.replace("zh: 您好", "zh: 修理处您好"))
    repairs = corp.kf_account("wkBBB", "zhangwei")
    async with open_house(settings):
        desk.enters("wmA")
        repairs.enters("wmA")
        await wecom.wait_for(lambda: desk.texts("wmA") and repairs.texts("wmA"))
    assert (desk.texts("wmA"), repairs.texts("wmA")) == (["您好"], ["修理处您好"])


async def test_a_kf_account_that_is_not_named_is_not_answered(open_house, settings, wecom, corp):
    named, other = corp.kf["wkAAA"], corp.kf_account("wkBBB")
    async with open_house(settings | {"kf_accounts": ("wkAAA",)}):
        other.says("wmA", "怎么退货？")
        named.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: named.texts("wmA"))
    assert other.texts("wmA") == []
    assert not other.pulls


async def test_one_kf_account_that_cannot_be_pulled_leaves_the_others_alone(
    open_house, settings, wecom, corp, desk
):
    broken = corp.kf_account("wkBBB")
    async with open_house(settings) as house:
        broken.managed = False
        broken.says("wmA", "怎么退货？")
        desk.says("wmA", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmA"))
        desk.says("wmB", "怎么退货？")
        await wecom.wait_for(lambda: desk.texts("wmB"))
        assert b"xiaoq_channel_failures_total{" not in house.metrics.render()
