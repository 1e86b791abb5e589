"""Messages that are edited or deleted."""

import asyncio

from peers.model import DONE, chunk, stream

BILL = "下单时勾选发票，三天内发到邮箱。"


async def test_an_edit_before_the_answer_replaces_the_question(
    open_house, thinking, telegram, bot, model
):
    go_on = asyncio.Event()
    model.script(stream(go_on, chunk("好。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await model.until(lambda: model.open == 1)
        second = bot.says(7, "我还想要一个绿色的盘子")
        await telegram.all_acknowledged(bot)
        bot.edits(second, "我还想要一个蓝色的盘子")
        await telegram.all_acknowledged(bot)
        go_on.set()
        await telegram.wait_for(2)
    assert "蓝色" in model.bodies[1]["messages"][-1]["content"]
    assert "绿色" not in model.bodies[1]["messages"][-1]["content"]


async def test_an_edit_while_the_answer_is_written_is_a_new_question(
    open_house, thinking, telegram, bot, model
):
    go_on = asyncio.Event()
    model.script(stream(go_on, chunk("好。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        update = bot.says(7, "我想退掉那个红色的杯子")
        await model.until(lambda: model.open == 1)
        edited = bot.edits(update, "我想退掉那个绿色的杯子")
        bot.deliver(edited)
        await telegram.all_acknowledged(bot)
        go_on.set()
        await telegram.wait_for(2)
        await telegram.all_acknowledged(bot)
    assert len(model.bodies) == 2
    assert "绿色" in model.bodies[1]["messages"][-1]["content"]


async def test_a_second_edit_replaces_the_first(open_house, thinking, telegram, bot, model):
    go_on = asyncio.Event()
    model.script(stream(go_on, chunk("好。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        update = bot.says(7, "我想退掉那个红色的杯子")
        await model.until(lambda: model.open == 1)
        for color, date in (("绿色", 1), ("蓝色", 2)):
            with bot.holding() as held:
                bot.edits(update, f"我想退掉那个{color}的杯子")
            held[0]["edited_message"] |= {"edit_date": date}
            bot.deliver(held[0])
            await telegram.all_acknowledged(bot)
        go_on.set()
        await telegram.wait_for(2)
    assert "蓝色" in model.bodies[1]["messages"][-1]["content"]
    assert "绿色" not in model.bodies[1]["messages"][-1]["content"]


async def test_an_edit_of_an_edit_in_work_is_a_new_question_too(
    open_house, thinking, telegram, bot, model
):
    first, second = asyncio.Event(), asyncio.Event()
    model.script(stream(first, chunk("好。"), chunk(finish="stop"), DONE))
    model.script(stream(second, chunk("好的。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        update = bot.says(7, "我想退掉那个红色的杯子")
        for color, date, answer in (("绿色", 1, first), ("蓝色", 2, second)):
            await model.until(lambda: model.open == 1)
            with bot.holding() as held:
                bot.edits(update, f"我想退掉那个{color}的杯子")
            held[0]["edited_message"] |= {"edit_date": date}
            bot.deliver(held[0])
            await telegram.all_acknowledged(bot)
            seen = len(model.bodies)
            answer.set()
            await model.until(lambda seen=seen: len(model.bodies) > seen)
        await telegram.wait_for(3)
    assert "蓝色" in model.bodies[2]["messages"][-1]["content"]


async def test_an_update_that_changes_nothing_anybody_sees_is_no_new_question(
    open_house, thinking, telegram, bot, model
):
    go_on = asyncio.Event()
    model.script(stream(go_on, chunk("好。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        update = bot.says(7, "我想退掉那个红色的杯子 https://shop.example/cup")
        await model.until(lambda: model.open == 1)
        bot.push("edited_message", update["message"])
        await telegram.all_acknowledged(bot)
        go_on.set()
        await telegram.wait_for(1)
        bot.says(7, "我想要一个蓝色的盘子")
        await telegram.wait_for(2)
    assert len(model.bodies) == 2
    assert "红色" not in model.bodies[1]["messages"][-1]["content"]


async def test_an_edit_after_the_answer_is_ignored(house, telegram, bot):
    update = bot.says(7, "怎么退货")
    await telegram.wait_for(1)
    bot.edits(update, "运费多少钱")
    bot.says(7, "能开发票吗")
    await telegram.wait_for(2)
    await telegram.all_acknowledged(bot)
    assert telegram.texts(7)[1:] == [BILL]


async def test_a_deleted_business_message_is_not_answered(
    open_house, thinking, telegram, bot, model
):
    go_on = asyncio.Event()
    model.script(stream(go_on, chunk("好。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        connection = bot.connects(50)
        bot.says(7, "我想退掉那个红色的杯子", business=connection)
        await model.until(lambda: model.open == 1)
        gone = bot.says(7, "我的密码是 1234", business=connection)
        await telegram.all_acknowledged(bot)
        bot.deletes(connection, 7, gone["business_message"]["message_id"])
        await telegram.all_acknowledged(bot)
        go_on.set()
        bot.says(9, "我想要一个蓝色的盘子")
        await telegram.wait_for(2)
    assert not any("1234" in str(body) for body in model.bodies)
