"""Starting and stopping, and what is wrong with the settings."""

import logging

import pytest
from peers.telegram_desk import TOKEN, listening, open_account, settings_at

from bots.adapter import ChannelDownError, Mark
from bots.house import Role
from config.errors import ConfigError


async def examined(account):
    return {(each.mark, each.seen): each.advice for each in await account.examine()}


async def test_the_menu_is_there_in_each_language(account, bot):
    await account.start()
    menus = {language: commands for (_, language), commands in bot.commands.items()}
    assert menus.keys() == {"", "zh", "en"}
    assert [each["command"] for each in menus["zh"]] == ["new", "human", "help"]
    assert menus["zh"][1]["description"] == "转人工客服"
    assert menus[""] == menus["en"]


async def test_a_menu_that_is_refused_does_not_stop_the_start(account, telegram, bot):
    telegram.fail("setMyCommands", 500, times=3)
    await account.start()


async def test_an_unknown_token_stops_the_start_with_its_name(telegram, bot, store):
    wrong = settings_at(telegram, token="99999:wrong", name="shop")
    async with open_account(store, wrong) as account:
        with pytest.raises(ConfigError) as stopped:
            await account.start()
    said = str(stopped.value)
    assert said.startswith("XIAOQ_TELEGRAM__TOKEN: ")
    assert '"shop"' in said
    assert "wrong" not in said


async def test_what_is_no_token_stops_the_start_at_once(telegram, store):
    with pytest.raises(ConfigError, match="XIAOQ_TELEGRAM__TOKEN: holds no bot's token"):
        async with open_account(store, settings_at(telegram, token="not a token")):
            pass


@pytest.mark.parametrize("trouble", [403, 502, "reset"])
async def test_a_platform_that_is_away_is_no_wrong_setting(account, telegram, trouble):
    telegram.fail("getMe", trouble)
    with pytest.raises(ChannelDownError, match="telegram is away"):
        await account.start()
    await account.start()


async def test_a_platform_out_of_reach_is_no_wrong_setting(account, telegram):
    await telegram.down()
    with pytest.raises(ChannelDownError) as away:
        await account.start()
    assert "abcdef" not in str(away.value)


async def test_a_worker_answers_what_a_gateway_took_in(open_house, telegram, bot):
    async with open_house(role=Role.GATEWAY), open_house(role=Role.WORKER):
        bot.says(7, "怎么退货")
        await telegram.wait_for(1)
    assert telegram.texts(7) == ["七天内可以退货，请在订单页申请。"]
    assert len(telegram.called("getMe")) == 1


async def test_an_address_telegram_refuses_stops_the_start(telegram, bot, store):
    odd = settings_at(telegram, mode="webhook", public_url="http://shop.example")
    telegram.fail("setWebhook", 400)
    async with open_account(store, odd) as account:
        with pytest.raises(ConfigError, match="XIAOQ_TELEGRAM__PUBLIC_URL"):
            await account.start()


@pytest.mark.parametrize("ending", ["", "/", "/bot", "/bot/"])
async def test_the_api_may_be_named_with_or_without_its_path(telegram, bot, store, ending):
    settings = settings_at(telegram, api_base=telegram.url + ending)
    async with open_account(store, settings) as account:
        await account.start()


async def test_not_even_at_debug_the_token_or_a_text_is_logged(
    account, telegram, bot, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("telegram").setLevel(logging.WARNING)
    async with listening(account):
        bot.says(7, "我的秘密问题")
        await telegram.all_acknowledged(bot)
        telegram.fail("*", 502, times=3)
        telegram.fail("*", "reset", times=3)
        await account.examine()
    logged = caplog.text + "".join(capfd.readouterr())
    assert "abcdef" not in logged
    assert "秘密" not in logged


class TestDoctor:
    """What `xiaoq doctor` sees."""

    async def test_a_bot_that_polls(self, account, bot):
        seen = await examined(account)
        assert (Mark.GOOD, "the token is that of @xiaoq_bot") in seen
        assert (Mark.GOOD, "polling, 0 updates wait") in seen
        assert all(mark is Mark.GOOD for mark, _ in seen)

    async def test_a_token_nobody_knows(self, telegram, store):
        async with open_account(store, settings_at(telegram)) as account:
            seen = await examined(account)
        assert list(seen) == [(Mark.BAD, "the token is not known")]

    async def test_an_api_that_does_not_answer(self, account, telegram):
        await telegram.down()
        ((mark, seen),) = await examined(account)
        assert mark is Mark.BAD
        assert "does not answer" in seen
        assert TOKEN not in seen

    async def test_an_api_that_refuses_to_say(self, account, telegram):
        telegram.fail("getMe", 403)
        ((mark, seen),) = await examined(account)
        assert mark is Mark.BAD
        assert "does not answer" in seen

    async def test_a_webhook_in_the_way_of_polling(self, account, bot, telegram, api):
        await api.set_webhook("https://elsewhere.example/hook", "s")
        ((_, advice),) = [
            (seen, advice)
            for (mark, seen), advice in (await examined(account)).items()
            if mark is Mark.BAD
        ]
        assert "XIAOQ_TELEGRAM__MODE=webhook" in advice

    async def test_a_webhook_that_is_not_set_and_an_address_nobody_reaches(
        self, telegram, bot, store
    ):
        settings = settings_at(telegram, mode="webhook", public_url="http://127.0.0.1:9")
        async with open_account(store, settings) as account:
            bad = [seen for mark, seen in await examined(account) if mark is Mark.BAD]
        assert "not set" in bad[0]
        assert "cannot be reached" in bad[1]

    async def test_a_webhook_that_telegram_cannot_deliver_to(self, telegram, bot, store):
        settings = settings_at(telegram, mode="webhook", public_url="http://127.0.0.1:9")
        async with open_account(store, settings) as account:
            await account.start()
            bot.says(7, "怎么退货")
            await telegram.wait_for(lambda: bot.outbox.last_error is not None)
            bad = [seen for mark, seen in await examined(account) if mark is Mark.BAD]
        assert "Connection refused" in bad[0]
