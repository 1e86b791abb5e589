"""Photos, voice, documents."""

import pytest


@pytest.fixture
def unreadable(house):
    """What is said about files that nobody here can read."""
    return house.personas.voices[0].persona.sentence("unreadable", "zh")


async def test_who_sends_a_voice_message_is_told_that_it_cannot_be_read(
    house, telegram, bot, unreadable
):
    bot.sends_voice(7, language_code="zh-hans")
    await telegram.wait_for(1)
    assert telegram.texts(7) == [unreadable]


async def test_a_captions_question_is_answered_and_the_picture_mentioned(
    house, telegram, bot, unreadable
):
    bot.sends_photo(7, "怎么退货")
    await telegram.wait_for(1)
    assert "七天内可以退货" in telegram.texts(7)[0]
    assert unreadable in telegram.texts(7)[0]


async def test_an_album_gets_one_answer(house, telegram, bot, unreadable):
    updates = [bot.sends_photo(7, album="a1", language_code="zh-hans") for _ in range(4)]
    await telegram.wait_for(1)
    await telegram.all_acknowledged(bot)
    bot.deliver(updates[0], updates[2])
    bot.says(7, "能开发票吗")
    await telegram.wait_for(2)
    await telegram.all_acknowledged(bot)
    assert telegram.texts(7) == [unreadable, "下单时勾选发票，三天内发到邮箱。"]


async def test_the_words_of_an_album_are_answered_once(house, telegram, bot, unreadable):
    bot.sends_photo(7, "怎么退货", album="a1")
    bot.sends_photo(7, album="a1")
    bot.sends_photo(7, album="a1")
    bot.says(8, "能开发票吗")
    await telegram.wait_for(2)
    await telegram.all_acknowledged(bot)
    assert telegram.texts(7) == [f"七天内可以退货，请在订单页申请。\n\n{unreadable}"]


async def test_a_text_document_is_read_to_the_model(open_house, thinking, telegram, bot, model):
    async with open_house(**thinking):
        bot.sends_document(
            7, "订单号：A-77，商品：红杯子".encode(), "order.txt", caption="这是我的订单，能退吗"
        )
        await telegram.wait_for(1)
    assert "A-77" in str(model.bodies[0]["messages"])
    assert len(telegram.called("file")) == 1


@pytest.mark.parametrize(
    ("name", "mime", "size", "data"),
    [
        ("a.pdf", "application/pdf", None, b"%PDF-1.7"),
        ("a.txt", "text/plain", 300_000, b"x"),
        ("a.txt", "text/plain", 3, b"x" * 300_000),
        ("a.txt", "text/plain", None, b"\x00\x01\x02"),
    ],
)
async def test_what_is_no_short_text_is_not_read(
    open_house, thinking, telegram, bot, *, name, mime, size, data
):
    async with open_house(**thinking) as house:
        bot.sends_document(7, data, name, mime, caption="这个订单能退吗", size=size)
        await telegram.wait_for(1)
        told = house.personas.voices[0].persona.sentence("unreadable", "zh")
    assert telegram.texts(7)[0].endswith(told)


async def test_a_document_that_cannot_be_fetched_counts_as_unread(
    open_house, thinking, telegram, bot, model
):
    telegram.fail("file", 500)
    async with open_house(**thinking) as house:
        bot.sends_document(7, b"A-77", caption="这个订单能退吗")
        await telegram.wait_for(1)
        told = house.personas.voices[0].persona.sentence("unreadable", "zh")
    assert telegram.texts(7)[0].endswith(told)
