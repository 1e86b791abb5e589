"""Answers go out, also after a crash."""

import asyncio
from contextlib import aclosing

import pytest
from peers.telegram_desk import leases, listening, only, reply

from core.delivery import LeaseDelivery
from core.errors import UndeliverableError
from core.lanes import Entry
from core.replies import Delta, Done, Origin, Outcome, Retract
from core.turn import first_turn

GROUP = -1_000_000_000_555
LONG = "退货😀。\n\n" * 1500


async def rest(_entry: Entry, seconds: float) -> None:
    """Wait as a worker does that has places enough."""
    await asyncio.sleep(seconds)


@pytest.fixture
async def asked(account, bot, telegram, inbox):
    """Take a message that somebody has sent: the turn and its lease."""

    async def take():
        async with listening(account):
            await telegram.all_acknowledged(bot)
        (lease,) = await leases(inbox)
        return first_turn(lease.messages), lease

    return take


async def answer(account, inbox, turn, lease, events):
    async with aclosing(events):
        await account.channel.reply(
            turn, events, LeaseDelivery(inbox, lease, rest, is_atomic=False)
        )


async def test_after_a_crash_the_rest_of_the_parts_is_sent(account, bot, telegram, inbox, asked):
    bot.says(7, "怎么退货")
    turn, lease = await asked()
    await inbox.commit(lease, {"sent": 1})
    await inbox.release(lease, failed=False)
    (lease,) = await leases(inbox, "w2")
    assert lease.sent == 1
    await answer(account, inbox, turn, lease, only(reply(LONG)))
    texts = telegram.texts(7)
    assert texts
    assert "".join(texts).count("退货") < LONG.count("退货")
    assert telegram.messages(7)[-1].buttons


async def test_what_was_all_sent_is_not_sent_again(account, bot, telegram, inbox, asked):
    bot.says(7, "怎么退货")
    turn, lease = await asked()
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    await inbox.release(lease, failed=False)
    (lease,) = await leases(inbox, "w2")
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    assert telegram.texts(7) == ["七天内。"]


async def test_a_part_that_was_cut_off_comes_at_most_twice(account, bot, telegram, inbox, asked):
    bot.says(7, "怎么退货")
    turn, lease = await asked()
    telegram.fail("sendMessage", "lost")
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    assert telegram.texts(7) == ["七天内。"] * 2


async def test_an_answer_of_nothing_but_marks_is_sent_as_it_stands(
    account, bot, telegram, inbox, asked
):
    bot.says(7, "怎么退货")
    turn, lease = await asked()
    await answer(account, inbox, turn, lease, only(reply("```\n```")))
    assert telegram.texts(7) == ["```\n```"]


@pytest.mark.parametrize("trouble", [500, 502, "reset"])
async def test_a_call_that_fails_is_repeated(account, bot, telegram, inbox, asked, trouble):
    bot.says(7, "怎么退货")
    turn, lease = await asked()
    telegram.fail("sendMessage", trouble)
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    assert telegram.texts(7) == ["七天内。"]


async def test_an_answer_waits_until_telegram_is_back(account, bot, telegram, inbox, asked):
    bot.says(7, "怎么退货")
    turn, lease = await asked()
    await telegram.down()
    async with asyncio.TaskGroup() as group:
        group.create_task(answer(account, inbox, turn, lease, only(reply("七天内。"))))
        await asyncio.sleep(0.2)
        await telegram.up()
    assert telegram.texts(7) == ["七天内。"]


async def test_a_chat_that_is_flooded_stops_no_other(account, bot, telegram, inbox):
    bot.says(7, "怎么退货")
    bot.says(8, "怎么退货")
    async with listening(account):
        await telegram.all_acknowledged(bot)
    found = []
    while len(found) < 2:
        found += await leases(inbox)
    telegram.flood(7, 0.6)
    async with asyncio.TaskGroup() as group:
        for lease in found:
            turn = first_turn(lease.messages)
            group.create_task(answer(account, inbox, turn, lease, only(reply("七天内。"))))
    first, second = [
        next(call for call in telegram.called("sendMessage", chat) if call.status == 200)
        for chat in (8, 7)
    ]
    assert second.at - first.at > 0.5
    assert len(telegram.called("sendMessage", 7)) == 2


async def test_a_reply_to_a_blocked_chat_is_undeliverable(account, bot, telegram, inbox, asked):
    bot.says(7, "怎么退货")
    bot.blocks(7)
    turn, lease = await asked()
    with pytest.raises(UndeliverableError, match="blocked"):
        await answer(account, inbox, turn, lease, only(reply("七天内。")))


async def test_in_a_group_one_message_grows(account, bot, telegram, inbox, asked):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    turn, lease = await asked()
    go_on = asyncio.Event()

    async def events():
        yield Delta("七天")
        await go_on.wait()
        yield Delta("内。")
        yield Done(reply("七天内。"))

    async with asyncio.TaskGroup() as group:
        group.create_task(answer(account, inbox, turn, lease, events()))
        await telegram.wait_for(1)
        assert telegram.texts(GROUP) == ["七天"]
        go_on.set()
    (message,) = telegram.messages(GROUP)
    assert message.text == "七天内。"
    assert message.buttons
    assert str(message.data["reply_to_message"]["message_id"]) == turn.id.split("/")[1]
    assert not telegram.drafts(GROUP)


async def test_a_slow_edit_does_not_overtake_the_answer(account, bot, telegram, inbox, asked):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    turn, lease = await asked()
    telegram.fail("editMessageText", "slow")

    async def events():
        yield Delta("七天")
        await telegram.wait_for(1)
        yield Delta("内")
        await telegram.wait_for(lambda: bool(telegram.called("editMessageText")))
        yield Done(reply("七天内。"))

    await answer(account, inbox, turn, lease, events())
    assert telegram.texts(GROUP) == ["七天内。"]
    assert telegram.messages(GROUP)[0].edits == 2


async def test_after_a_crash_the_growing_message_is_finished(account, bot, telegram, inbox, asked):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    turn, lease = await asked()

    record = LeaseDelivery(inbox, lease, rest, is_atomic=False)

    async def crash():
        yield Delta("七天")
        async with asyncio.timeout(30):
            while not record.surface:
                await asyncio.sleep(0.01)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await account.channel.reply(turn, crash(), record)
    await inbox.release(lease, failed=True)
    (lease,) = await leases(inbox, "w2")
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    assert telegram.texts(GROUP) == ["七天内。"]


async def test_a_growing_message_that_was_deleted_is_written_anew(
    account, bot, telegram, inbox, asked
):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    turn, lease = await asked()
    await inbox.commit(lease, {"surface": "999"})
    await inbox.release(lease, failed=True)
    (lease,) = await leases(inbox, "w2")
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    assert telegram.texts(GROUP) == ["七天内。"]


async def test_what_was_taken_back_is_gone_from_the_growing_message(
    account, bot, telegram, inbox, asked
):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=GROUP)
    turn, lease = await asked()

    async def events():
        yield Delta("说错")
        await telegram.wait_for(1)
        yield Retract()
        yield Done(reply("这个我不能说", Outcome.REFUSED, Origin.FIXED))

    await answer(account, inbox, turn, lease, events())
    (message,) = telegram.messages(GROUP)
    assert message.text == "这个我不能说"
    assert not message.buttons


async def test_a_group_that_moved_gets_its_answer_where_it_is_now(
    account, bot, telegram, inbox, asked, store
):
    bot.says(7, "@xiaoq_bot 怎么退货", chat=-555)
    turn, lease = await asked()
    with bot.holding():
        new = bot.migrates(-555, 7)
    await answer(account, inbox, turn, lease, only(reply("七天内。")))
    assert telegram.texts(new) == ["七天内。"]
    assert telegram.texts(-555) == []
