"""Updates fetched from Telegram."""

import asyncio

import pytest
from peers.telegram_desk import listening, open_account, settings_at, waiting
from structlog.testing import capture_logs

from bots.adapter import ChannelDownError
from bots.telegram.polling import Poller
from bots.telegram.words import TOO_FAST
from config.settings import InboxSettings
from core.errors import StoreUnavailableError

ANSWER = "七天内可以退货，请在订单页申请。"


async def test_what_came_while_nobody_listened_is_taken(account, telegram, bot, store):
    for number in range(250):
        bot.says(number + 1, "怎么退货")
    async with listening(account):
        await telegram.all_acknowledged(bot)
    assert len(await waiting(store)) == 250
    (drop,) = telegram.called("deleteWebhook")
    assert not drop.parameters.get("drop_pending_updates")


async def test_messages_of_a_chat_keep_their_order(account, telegram, bot, store):
    for number in range(15):
        bot.says(7, f"第{number}句")
        bot.says(8, f"第{number}句")
    async with listening(account):
        await telegram.all_acknowledged(bot)
    for user in "78":
        texts = [each.text for each in await waiting(store) if each.address.user == user]
        assert texts == [f"第{number}句" for number in range(15)]


async def test_a_full_conversation_stops_no_other_and_loses_nothing(telegram, bot, store, inbox):
    tight = InboxSettings(lane_length=2)
    async with open_account(store, settings_at(telegram), inbox=tight) as account:
        async with listening(account):
            for number in range(5):
                bot.says(7, f"第{number}句")
            await telegram.wait_for(lambda: len(telegram.called("getUpdates")) > 2)
            bot.says(8, "怎么退货")
            async with asyncio.timeout(30):
                while len(await waiting(store)) < 3:
                    await asyncio.sleep(0.02)
            assert telegram.pending(bot)
            await store.flushall()
            await inbox.open()
            async with asyncio.timeout(30):
                while len(await waiting(store)) < 2:
                    await asyncio.sleep(0.02)
    assert [each.text for each in await waiting(store)] == ["第2句", "第3句"]


async def test_a_chat_that_floods_is_told_so_and_keeps_nobody_from_being_heard(
    telegram, bot, store, inbox
):
    tight = InboxSettings(lane_length=2)
    async with open_account(store, settings_at(telegram), inbox=tight) as account:
        for number in range(150):
            bot.says(7, f"第{number}句", language_code="zh-hans")
        bot.says(8, "怎么退货")
        async with listening(account), asyncio.timeout(30):
            while "8" not in {each.address.user for each in await waiting(store)}:
                await asyncio.sleep(0.02)
    assert [each.text for each in await waiting(store) if each.address.user == "7"] == [
        "第0句",
        "第1句",
    ]
    assert set(telegram.texts(7)) == {TOO_FAST["zh"]}
    assert telegram.texts(8) == []


async def test_an_outage_of_redis_turns_nobody_away(telegram, bot, api):
    async def take(_):
        raise StoreUnavailableError

    for number in range(150):
        bot.says(7, f"第{number}句")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Poller(api, take, Memo().turn_away).run())
        await telegram.wait_for(lambda: len(telegram.called("getUpdates")) > 2)
        task.cancel()
    assert len(telegram.pending(bot)) == 150


class Memo:
    """Takes updates as told and remembers what it took."""

    async def turn_away(self, update):
        raise AssertionError("nobody is too fast here")

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.taken = []

    async def take(self, update):
        trouble = self.troubles.pop(0) if self.troubles else True
        if isinstance(trouble, Exception):
            raise trouble
        if trouble:
            self.taken.append(update.message.text)
        return trouble


@pytest.mark.parametrize("trouble", [StoreUnavailableError(), RuntimeError(), False])
async def test_the_offset_stays_at_what_could_not_be_taken(api, telegram, bot, trouble):
    memo = Memo(True, trouble)
    for number in range(4):
        bot.says(7, str(number))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Poller(api, memo.take, memo.turn_away).run())
        await telegram.all_acknowledged(bot)
        task.cancel()
    assert memo.taken == ["0", "1", "2", "3"]


async def test_an_outage_of_redis_is_logged_once(api, telegram, bot):
    memo = Memo(*[StoreUnavailableError()] * 6)
    for customer in (7, 8, 9):
        bot.says(customer, "怎么退货")
    with capture_logs() as logged:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(Poller(api, memo.take, memo.turn_away).run())
            await telegram.all_acknowledged(bot)
            task.cancel()
    assert [line["event"] for line in logged] == ["updates wait for redis"]


async def test_a_poll_that_is_stopped_confirms_nothing_that_was_not_taken(api, telegram, bot):
    reached = asyncio.Event()

    async def take(_):
        reached.set()
        await asyncio.Event().wait()

    bot.says(7, "怎么退货")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Poller(api, take, Memo().turn_away).run())
        await reached.wait()
        task.cancel()
    assert len(telegram.pending(bot)) == 1


async def test_another_poller_is_named_as_the_reason(api, telegram, bot):
    memo = Memo()
    async with asyncio.TaskGroup() as group:
        second = None

        async def first():
            with pytest.raises(ChannelDownError, match="another program polls"):
                await Poller(api, memo.take, memo.turn_away).run()
            second.cancel()

        group.create_task(first())
        await telegram.wait_for(lambda: bool(telegram.called("getUpdates")))
        second = group.create_task(Poller(api, memo.take, memo.turn_away).run())


async def test_of_two_replicas_one_polls_and_the_other_relieves_it(telegram, bot, store):
    settings = settings_at(telegram)
    async with open_account(store, settings) as one, open_account(store, settings) as two:
        async with listening(one):
            await telegram.wait_for(lambda: bool(telegram.called("getUpdates")))
            async with listening(two):
                bot.says(7, "怎么退货")
                await telegram.all_acknowledged(bot)
                await telegram.wait_for(lambda: len(telegram.called("getMe")) == 2)
        assert bot.outbox.conflicts == 0
        async with listening(two):
            bot.says(7, "能开发票吗")
            await telegram.all_acknowledged(bot)
    assert len(await waiting(store)) == 2


async def test_a_flood_of_polls_waits(api, telegram, bot):
    memo = Memo()
    bot.says(7, "0")
    telegram.storm(1, retry_after=1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Poller(api, memo.take, memo.turn_away).run())
        await telegram.all_acknowledged(bot)
        task.cancel()
    first, second = telegram.called("getUpdates")[:2]
    assert second.at - first.at > 0.9


@pytest.mark.parametrize("trouble", [502, "reset"])
async def test_an_outage_ends_the_polling_with_a_reason(api, telegram, bot, trouble):
    telegram.fail("getUpdates", trouble, times=2)
    with pytest.raises(ChannelDownError, match="telegram is away"):
        await Poller(api, Memo().take, Memo().turn_away).run()


async def test_one_poll_that_is_cut_is_no_outage(api, telegram, bot):
    memo = Memo()
    telegram.fail("getUpdates", "reset")
    bot.says(7, "0")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Poller(api, memo.take, memo.turn_away).run())
        await telegram.all_acknowledged(bot)
        task.cancel()
    assert memo.taken == ["0"]


async def test_after_an_outage_everything_is_answered(house, telegram, bot):
    bot.says(7, "怎么退货")
    await telegram.wait_for(1)
    await telegram.down()
    bot.says(7, "能开发票吗")
    bot.says(8, "怎么退货")
    await telegram.up()
    await telegram.wait_for(3)
    assert telegram.texts(8) == [ANSWER]
    assert len(telegram.texts(7)) == 2
