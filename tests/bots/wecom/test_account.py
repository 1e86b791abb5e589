"""The company's own app, from a member's message to the answer that stands in the chat."""

import pytest


async def test_a_member_is_answered(app_house, wecom, app):
    app.says("lihua", "怎么退货？")
    await wecom.wait_for(lambda: app.texts("lihua"))
    assert app.texts("lihua") == ["七天内可以退货，请在订单页申请。"]
    await wecom.all_acknowledged()


async def test_a_callback_sent_twice_is_answered_once(app_house, wecom, app, corp):
    delivery = app.says("lihua", "怎么退货？")
    await wecom.wait_for(lambda: app.texts("lihua"))
    again = corp.courier.bring(corp.endpoint, delivery.payload)
    await wecom.wait_for(lambda: again.over)
    app.says("lihua", "怎么开发票？")
    await wecom.wait_for(lambda: len(app.texts("lihua")) > 1)
    assert again.acked
    assert app.texts("lihua") == [
        "七天内可以退货，请在订单页申请。",
        "下单时勾选发票，三天内发到邮箱。",
    ]


async def test_an_address_proves_that_it_is_ours(app_house, wecom, corp):
    assert await corp.courier.verify(corp.endpoint)


async def test_who_opens_the_app_is_greeted_once(app_house, wecom, app):
    app.enters("lihua")
    await wecom.wait_for(lambda: app.texts("lihua"))
    app.enters("lihua")
    await wecom.all_acknowledged()
    app.says("lihua", "怎么退货？")
    await wecom.wait_for(lambda: len(app.texts("lihua")) > 1)
    assert app.texts("lihua") == ["您好", "七天内可以退货，请在订单页申请。"]


async def test_a_press_in_the_menu_says_what_its_key_is(app_house, wecom, app):
    app.happens("lihua", "click", EventKey="运费多少钱？")
    await wecom.wait_for(lambda: app.texts("lihua"))
    assert app.texts("lihua") == ["满九十九元包邮，不满收八元。"]


@pytest.mark.parametrize("kind", ["image", "voice", "video"])
async def test_a_file_that_cannot_be_read_gets_a_sentence(app_house, wecom, app, kind):
    app.shares("lihua", kind, b"something", "name")
    await wecom.wait_for(lambda: app.texts("lihua"))
    assert "看不了" in app.texts("lihua")[0]


@pytest.mark.parametrize("event", ["unsubscribe", "view", "location", "unheard_of"])
async def test_other_events_are_passed_over(app_house, wecom, app, event):
    app.happens("lihua", event, EventKey="https://example.com")
    await wecom.all_acknowledged()
    app.says("lihua", "怎么退货？")
    await wecom.wait_for(lambda: app.texts("lihua"))
    assert app.texts("lihua") == ["七天内可以退货，请在订单页申请。"]
    assert all(delivery.acked for delivery in wecom.courier.deliveries)


async def test_a_long_answer_comes_in_parts_of_2048_bytes(
    open_house, entry, wecom, corp, app, long_answer
):
    async with open_house(entry(corp, agent_id=1000002, app_secret="app-secret")):
        app.says("lihua", "详细说说")
        await wecom.wait_for(lambda: len("".join(app.texts("lihua"))) >= len(long_answer))
    assert "".join(app.texts("lihua")) == long_answer
    assert len(app.texts("lihua")) == 3
    assert all(len(t.encode()) <= 2048 and t.endswith("。") for t in app.texts("lihua"))


async def test_who_is_let_in_and_opens_the_app_at_once_is_greeted_once(app_house, wecom, app):
    """WeCom tells both in the same moment."""
    app.happens("lihua", "subscribe")
    app.enters("lihua")
    await wecom.wait_for(lambda: app.texts("lihua"))
    await wecom.all_acknowledged()
    app.says("lihua", "怎么退货？")
    await wecom.wait_for(lambda: "七天内可以退货，请在订单页申请。" in app.texts("lihua"))
    assert app.texts("lihua") == ["您好", "七天内可以退货，请在订单页申请。"]
