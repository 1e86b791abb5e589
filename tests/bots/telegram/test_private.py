"""A customer writes to the bot."""

import asyncio

import pytest
from peers.model import DONE, chunk, stream
from peers.telegram_checks import units

ANSWER = "七天内可以退货，请在订单页申请。"


async def audited(store):
    """The audit's records."""
    return [
        fields
        async for stream in store.scan_iter("xq:*:audit")
        for _, fields in await store.xrange(stream)
    ]


async def test_a_question_is_answered(house, telegram, bot):
    bot.says(7, "怎么退货")
    await telegram.wait_for(1)
    assert telegram.texts(7) == [ANSWER]
    sent = telegram.called("sendMessage")[0].parameters
    assert sent["link_preview_options"] == {"is_disabled": True}
    assert "reply_parameters" not in sent


async def test_a_message_sent_again_is_answered_once(house, telegram, bot):
    update = bot.says(7, "怎么退货")
    await telegram.wait_for(1)
    bot.deliver(update)
    bot.deliver(update | {"update_id": update["update_id"] + 500})
    bot.says(7, "能开发票吗")
    await telegram.wait_for(2)
    await telegram.all_acknowledged(bot)
    assert telegram.texts(7) == [ANSWER, "下单时勾选发票，三天内发到邮箱。"]


async def test_the_same_number_in_another_chat_is_another_message(house, telegram, bot):
    first, second = bot.says(7, "怎么退货"), bot.says(8, "怎么退货")
    assert first["message"]["message_id"] == second["message"]["message_id"]
    await telegram.wait_for(2)
    assert telegram.texts(7) == telegram.texts(8) == [ANSWER]


async def test_start_greets_and_help_helps_in_the_customers_language(house, telegram, bot):
    bot.says(7, "/start shop_window", language_code="en")
    await telegram.wait_for(1)
    bot.says(8, "/start", language_code="zh-hans")
    await telegram.wait_for(2)
    assert telegram.texts(7) == ["Hello"]
    assert telegram.texts(8) == ["您好"]


async def test_a_deep_links_payload_is_kept_as_the_source(house, telegram, bot, store):
    bot.says(7, "/start shop_window", language_code="en")
    await telegram.wait_for(1)
    async with asyncio.timeout(30):
        while not (records := await audited(store)):
            await asyncio.sleep(0.02)
    assert [record["source"] for record in records] == ["shop_window"]


async def test_a_new_conversation_and_a_person_can_be_asked_for(house, telegram, bot):
    bot.says(7, "/human", language_code="en")
    await telegram.wait_for(1)
    bot.says(7, "/new", language_code="en")
    await telegram.wait_for(2)
    assert telegram.texts(7) == ["Please call us", "Fresh start"]


async def test_bots_are_not_answered(house, telegram, bot):
    bot.says(9, "怎么退货", sender="bot")
    bot.says(7, "怎么退货")
    await telegram.wait_for(1)
    await telegram.all_acknowledged(bot)
    assert not telegram.called("sendMessage", 9)


async def test_an_answer_is_drafted_while_it_grows_and_then_sent_whole(
    open_house, thinking, telegram, bot, model
):
    go_on, end = asyncio.Event(), asyncio.Event()
    model.script(
        stream(chunk("**重要：**您"), go_on, chunk("可以退货。"), end, chunk(finish="stop"), DONE)
    )
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(lambda: len(telegram.drafts(7)) == 1)
        go_on.set()
        await telegram.wait_for(lambda: len(telegram.drafts(7)) == 2)
        assert not telegram.texts(7)
        end.set()
        await telegram.wait_for(1)
    assert telegram.drafts(7) == ["重要：您", "重要：您可以退货。"]
    ids = {call.parameters["draft_id"] for call in telegram.called("sendMessageDraft")}
    assert len(ids) == 1
    message = telegram.messages(7)[0]
    assert message.text == "重要：您可以退货。"
    assert message.entities == [{"type": "bold", "offset": 0, "length": 3}]


async def test_while_the_model_thinks_the_customer_sees_typing(
    open_house, thinking, telegram, bot, model
):
    end = asyncio.Event()
    model.script(stream(end, chunk("好的。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(lambda: bool(telegram.called("sendChatAction", 7)))
        end.set()
        await telegram.wait_for(1)
    assert telegram.texts(7) == ["好的。"]


async def test_a_draft_is_kept_up_while_the_model_pauses(
    open_house, thinking, telegram, bot, model, monkeypatch
):
    monkeypatch.setattr("bots.telegram.views.FIRST_TYPING_SECONDS", 0.01)
    monkeypatch.setattr("bots.telegram.views.TYPING_SECONDS", 0.05)
    monkeypatch.setattr("bots.telegram.views.DRAFT_STANDS_SECONDS", 0.1)
    end = asyncio.Event()
    model.script(stream(chunk("您可以"), end, chunk("退货。"), chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(lambda: len(telegram.drafts(7)) == 3)
        end.set()
        await telegram.wait_for(1)
    assert telegram.drafts(7)[:3] == ["您可以"] * 3
    assert telegram.called("sendMessage")[-1].at > telegram.called("sendMessageDraft")[-1].at


async def test_drafts_that_come_too_fast_come_slower(open_house, thinking, telegram, bot, model):
    telegram.limit()
    pieces = [part for n in range(12) for part in (0.1, chunk(f"第{n}句。"))]
    model.script(stream(*pieces, chunk(finish="stop"), DONE))
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(1)
    assert telegram.texts(7) == ["".join(f"第{n}句。" for n in range(12))]


async def test_a_server_without_drafts_is_asked_once(open_house, thinking, telegram, bot, model):
    telegram.fail("sendMessageDraft", 404, times=9)
    async with open_house(**thinking):
        for number in range(3):
            bot.says(7, "我想退掉那个红色的杯子")
            await telegram.wait_for(number + 1)
    assert len(telegram.called("sendMessageDraft")) == 1


async def test_a_chat_that_takes_no_drafts_takes_them_from_no_other(
    open_house, thinking, telegram, bot, model
):
    telegram.fail("sendMessageDraft", 400)
    async with open_house(**thinking):
        for number, customer in enumerate((7, 8), 1):
            bot.says(customer, "我想退掉那个红色的杯子")
            await telegram.wait_for(number)
    assert not telegram.drafts(7)
    assert telegram.drafts(8)


async def test_a_draft_that_comes_late_does_not_overtake_the_answer(
    open_house, thinking, telegram, bot, model
):
    telegram.fail("sendMessageDraft", "slow", seconds=0.4)
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(1)
    (chat,) = telegram.world.seen(7)
    assert chat.drafts[-1].at < telegram.messages(7)[0].at


@pytest.mark.parametrize(("draft", "sign"), [("reset", 500), (403, 403)])
async def test_drafts_that_get_lost_do_not_matter(
    open_house, thinking, telegram, bot, *, model, draft, sign
):
    telegram.fail("sendMessageDraft", draft, times=9)
    telegram.fail("sendChatAction", sign, times=9)
    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(1)
    assert telegram.texts(7)[0].endswith("我想退掉那个红色的杯子")


async def test_a_long_answer_comes_in_parts_with_buttons_under_the_last(
    open_house, thinking, company, telegram, bot, model
):
    persona = company / "personas/shop.yaml"
    persona.write_text(persona.read_text().replace("300", "4000"))
    sentences = ["退货😀😀。"] * 790
    model.script(stream(*map(chunk, sentences), chunk(finish="stop"), DONE))

    def is_whole() -> bool:
        return any(message.buttons for message in telegram.messages(7))

    async with open_house(**thinking):
        bot.says(7, "我想退掉那个红色的杯子")
        await telegram.wait_for(is_whole)
    messages = telegram.messages(7)
    assert "".join(message.text for message in messages) == "".join(sentences)
    assert len(messages) == 2
    assert all(units(message.text) <= 4096 for message in messages)
    assert [bool(each.buttons) for each in messages] == [False, True]


async def test_who_blocked_the_bot_ends_the_turn_quietly(house, telegram, bot):
    with bot.holding() as held:
        bot.says(7, "怎么退货")
        bot.blocks(7)
    bot.deliver(held[0])
    await telegram.wait_for(lambda: bool(telegram.called("sendMessage", 7)))
    bot.unblocks(7)
    bot.says(7, "能开发票吗")
    await telegram.wait_for(1)
    assert telegram.texts(7) == ["下单时勾选发票，三天内发到邮箱。"]
    assert len(telegram.called("sendMessage", 7)) == 2


async def test_in_a_storm_of_refusals_everybody_is_answered_once(house, telegram, bot):
    await telegram.wait_for(lambda: bool(telegram.called("getUpdates")))
    telegram.storm(12, retry_after=1)
    for customer in range(1, 6):
        bot.says(customer, "怎么退货")
    await telegram.wait_for(5)
    assert [telegram.texts(customer) for customer in range(1, 6)] == [[ANSWER]] * 5


class TestThumbs:
    """Buttons under an answer."""

    async def test_a_press_is_counted_thanked_and_the_buttons_go(self, house, telegram, bot):
        bot.says(7, "怎么退货", language_code="zh-hans")
        await telegram.wait_for(1)
        message = telegram.messages(7)[0]
        assert [button["text"] for button in message.buttons] == ["👍", "👎"]
        bot.presses(7, message.id, "👍", language_code="zh-hans")
        await telegram.wait_for(lambda: not telegram.messages(7)[0].buttons)
        answered = telegram.called("answerCallbackQuery")[0].parameters
        assert answered["text"] == "谢谢您的反馈！"
        assert 'vote="up"} 1.0' in house.metrics.render().decode()
        assert telegram.texts(7) == [ANSWER]

    @pytest.mark.parametrize("text", ["/start", "/human", "火星上有没有生命"])
    async def test_fixed_sentences_have_no_buttons(self, house, telegram, bot, text):
        bot.says(7, text)
        await telegram.wait_for(1)
        assert telegram.messages(7)[0].buttons == []

    async def test_what_is_no_ticket_is_answered_and_ignored(self, house, telegram, bot):
        bot.says(7, "怎么退货")
        await telegram.wait_for(1)
        bot.presses(7, telegram.messages(7)[0].id, "old:button", stale=True)
        await telegram.wait_for(lambda: bool(telegram.called("answerCallbackQuery")))
        assert "text" not in telegram.called("answerCallbackQuery")[0].parameters
        assert telegram.messages(7)[0].buttons

    async def test_a_press_that_is_found_late_counts_and_takes_the_buttons(
        self, house, telegram, bot
    ):
        bot.says(7, "怎么退货")
        await telegram.wait_for(1)
        with bot.holding() as held:
            bot.presses(7, telegram.messages(7)[0].id, "👍")
        bot.callbacks.clear()
        bot.deliver(held[0])
        await telegram.wait_for(lambda: not telegram.messages(7)[0].buttons)
        assert telegram.called("answerCallbackQuery")[0].status == 400

    async def test_an_old_message_that_cannot_be_seen_is_fine(self, house, telegram, bot):
        bot.says(7, "怎么退货")
        await telegram.wait_for(1)
        message = telegram.messages(7)[0]
        bot.presses(7, message.id, "👎", inaccessible=True)
        await telegram.wait_for(lambda: bool(telegram.called("answerCallbackQuery")))
        await telegram.all_acknowledged(bot)
        assert 'vote="down"} 1.0' in house.metrics.render().decode()
