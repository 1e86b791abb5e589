"""Groups, supergroups, topics and channels."""

GROUP = -1_000_000_000_555
ANSWER = "七天内可以退货，请在订单页申请。"
BILL = "下单时勾选发票，三天内发到邮箱。"


async def test_who_calls_the_bot_is_answered_with_a_quote(house, telegram, bot):
    update = bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    await telegram.wait_for(1)
    (message,) = telegram.messages(GROUP)
    assert message.text == ANSWER
    quoted = message.data["reply_to_message"]["message_id"]
    assert quoted == update["message"]["message_id"]


async def test_talk_among_people_is_left_alone(house, telegram, bot):
    bot.says(7, "怎么退货", chat=GROUP)
    bot.says(8, "@somebody 怎么退货", chat=GROUP)
    bot.says(9, "@xiaoq_bot 能开发票吗", chat=GROUP)
    await telegram.wait_for(1)
    await telegram.all_acknowledged(bot)
    assert telegram.texts(GROUP) == [BILL]


async def test_a_reply_to_an_answer_goes_on_without_a_call(house, telegram, bot):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    await telegram.wait_for(1)
    bot.says(7, "能开发票吗", chat=GROUP, reply_to=telegram.messages(GROUP)[0].id)
    await telegram.wait_for(2)
    assert telegram.texts(GROUP) == [ANSWER, BILL]


async def test_people_in_a_group_have_conversations_of_their_own(
    open_house, thinking, telegram, bot, model
):
    async with open_house(**thinking):
        bot.says(7, "@xiaoq_bot 我叫安娜，住在北京", chat=GROUP)
        await telegram.wait_for(1)
        bot.says(8, "@xiaoq_bot 我叫什么名字呢", chat=GROUP)
        await telegram.wait_for(2)
    assert not any("安娜" in turn["content"] for turn in model.bodies[1]["messages"])


async def test_an_answer_goes_to_the_topic_it_was_asked_in(house, telegram, bot):
    telegram.group(GROUP, forum=True)
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP, topic=77)
    await telegram.wait_for(1)
    assert telegram.messages(GROUP)[0].data["message_thread_id"] == 77


async def test_an_administrator_who_hides_behind_the_group_is_answered(house, telegram, bot):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP, sender="anonymous")
    await telegram.wait_for(1)
    assert telegram.texts(GROUP) == [ANSWER]


async def test_channels_are_left_alone(house, telegram, bot):
    telegram.group(-1_000_000_000_777, kind="channel")
    bot.says(7, "@xiaoq_bot 怎么退货", chat=-1_000_000_000_777)
    bot.says(7, "能开发票吗")
    await telegram.wait_for(1)
    assert telegram.texts(-1_000_000_000_777) == []


async def test_a_group_that_moved_keeps_its_conversations(
    open_house, thinking, telegram, bot, model
):
    async with open_house(**thinking):
        bot.says(7, "@xiaoq_bot 我叫安娜，住在北京", chat=-555)
        await telegram.wait_for(lambda: any(each.buttons for each in telegram.messages(-555)))
        new = bot.migrates(-555, 7)
        bot.says(7, "@xiaoq_bot 我叫什么名字呢", chat=new)
        await telegram.wait_for(lambda: any(each.buttons for each in telegram.messages(new)))
    assert any("安娜" in turn["content"] for turn in model.bodies[1]["messages"])


async def test_a_group_that_moved_while_the_answer_was_written_gets_it(house, telegram, bot):
    with bot.holding() as held:
        bot.says(7, "@xiaoq_bot 怎么退货", chat=-555)
        new = bot.migrates(-555, 7)
    bot.deliver(held[0])
    await telegram.wait_for(1)
    assert telegram.texts(new) == [ANSWER]


async def test_out_of_a_group_nothing_is_sent_twice(house, telegram, bot):
    with bot.holding() as held:
        bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
        bot.is_kicked(GROUP, by=8)
    bot.deliver(held[0])
    await telegram.wait_for(lambda: bool(telegram.called("sendMessage", GROUP)))
    bot.says(7, "能开发票吗")
    await telegram.wait_for(1)
    assert len(telegram.called("sendMessage", GROUP)) == 1


async def test_in_a_group_everybody_can_press_and_the_buttons_stay(house, telegram, bot):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    await telegram.wait_for(1)
    message = telegram.messages(GROUP)[0]
    bot.presses(7, message.id, "👍", chat=GROUP)
    bot.presses(8, message.id, "👎", chat=GROUP)
    await telegram.wait_for(lambda: len(telegram.called("answerCallbackQuery")) == 2)
    assert telegram.messages(GROUP)[0].buttons
    numbers = house.metrics.render().decode()
    assert 'vote="up"} 1.0' in numbers
    assert 'vote="down"} 1.0' in numbers
