"""A company's own account that answers through the bot."""

import asyncio

import pytest
from peers.model import DONE, chunk, stream

ANSWER = "七天内可以退货，请在订单页申请。"
BILL = "下单时勾选发票，三天内发到邮箱。"
OWNER = 50


async def test_a_customer_is_answered_in_the_companys_name(house, telegram, bot):
    connection = bot.connects(OWNER)
    bot.says(7, "怎么退货", business=connection)
    await telegram.wait_for(1)
    assert telegram.texts(7, scope=connection) == [ANSWER]
    assert telegram.texts(7, scope=bot) == []
    assert not telegram.drafts(7)


async def test_what_the_owner_writes_is_left_alone(house, telegram, bot):
    connection = bot.connects(OWNER)
    bot.says(OWNER, "怎么退货", chat=7, business=connection)
    bot.says(7, "能开发票吗", business=connection)
    await telegram.wait_for(1)
    assert telegram.texts(7, scope=connection) == [BILL]


async def test_without_the_right_to_answer_nothing_is_accepted(house, telegram, bot):
    dumb = bot.connects(OWNER, can_reply=False)
    bot.says(7, "怎么退货", business=dumb)
    off = bot.connects(OWNER + 1, enabled=False)
    bot.says(8, "怎么退货", business=off)
    bot.says(9, "怎么退货")
    await telegram.wait_for(1)
    await telegram.all_acknowledged(bot)
    assert telegram.texts(9) == [ANSWER]
    assert 'receipt="accepted"} 1.0' in house.metrics.render().decode()


async def test_a_right_that_was_taken_away_counts_from_then_on(house, telegram, bot):
    connection = bot.connects(OWNER)
    bot.says(7, "怎么退货", business=connection)
    await telegram.wait_for(1)
    bot.connects(OWNER, can_reply=False, connection=connection)
    await telegram.all_acknowledged(bot)
    bot.says(7, "能开发票吗", business=connection)
    bot.says(9, "怎么退货")
    await telegram.wait_for(2)
    assert telegram.texts(7, scope=connection) == [ANSWER]


async def test_an_unknown_connection_is_asked_for(house, telegram, bot):
    with bot.holding():
        connection = bot.connects(OWNER)
    bot.says(7, "怎么退货", business=connection)
    await telegram.wait_for(1)
    assert len(telegram.called("getBusinessConnection")) == 1
    bot.says(7, "能开发票吗", business=connection)
    await telegram.wait_for(2)
    assert len(telegram.called("getBusinessConnection")) == 1


async def test_a_customers_press_counts_here_too(house, telegram, bot):
    connection = bot.connects(OWNER)
    bot.says(7, "怎么退货", business=connection)
    await telegram.wait_for(1)
    message = telegram.messages(7, scope=connection)[0]
    bot.presses(7, message.id, "👍", business=connection)
    await telegram.wait_for(lambda: not telegram.messages(7, scope=connection)[0].buttons)
    assert 'vote="up"} 1.0' in house.metrics.render().decode()


async def test_what_stands_beside_a_deleted_message_is_answered(
    open_house, thinking, telegram, bot, model
):
    go_on = asyncio.Event()
    model.script(stream(go_on, chunk("好。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        connection = bot.connects(OWNER)
        bot.says(7, "我想退掉那个红色的杯子", business=connection)
        await model.until(lambda: model.open == 1)
        bot.says(7, "我想要一个蓝色的盘子", business=connection)
        gone = bot.says(7, "我的密码是 1234", business=connection)
        await telegram.all_acknowledged(bot)
        bot.deletes(connection, 7, gone["business_message"]["message_id"])
        await telegram.all_acknowledged(bot)
        go_on.set()
        await telegram.wait_for(2)
    assert "蓝色" in telegram.texts(7, scope=connection)[1]
    assert not any("1234" in str(body) for body in model.bodies)


@pytest.mark.parametrize("trouble", [401, 429, 502])
async def test_a_connection_that_cannot_be_asked_for_now_is_asked_for_again(
    house, telegram, bot, trouble
):
    telegram.fail("getBusinessConnection", trouble)
    with bot.holding():
        connection = bot.connects(OWNER)
    bot.says(7, "怎么退货", business=connection)
    await telegram.wait_for(1)
    assert telegram.texts(7, scope=connection) == [ANSWER]


async def test_a_connection_that_is_unknown_to_telegram_holds_nobody_up(house, telegram, bot):
    connection = bot.connects(OWNER)
    with bot.holding() as held:
        bot.says(7, "怎么退货", business=connection)
    held[0]["business_message"]["business_connection_id"] = "gone"
    bot.deliver(held[0])
    await telegram.all_acknowledged(bot)
    assert telegram.called("getBusinessConnection")[0].status == 400
