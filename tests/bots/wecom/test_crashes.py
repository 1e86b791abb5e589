"""A process of the company's own app dies at any moment; what it left is finished by the next."""

import time
from contextlib import aclosing

import pytest
from company import free_port
from mortal import KilledError, Life, MortalInbox, Record, ready, reply_of

from bots.http import open_door
from bots.wecom.events import CHANNEL
from config.settings import HttpSettings
from core.health import Health
from core.messages import Address, Message
from core.turn import Turn

RETURNS = "七天内可以退货，请在订单页申请。"
LONG = "\n\n".join(f"第{n}段，" + "退货" * 100 for n in range(10))
"""Four messages."""


@pytest.fixture
def settings(entry, corp, app):
    return entry(corp, agent_id=app.id, app_secret=app.secret)


@pytest.mark.parametrize("dies_at", [1, 2])
async def test_a_message_killed_around_its_acceptance_is_answered_once(
    open_app_account, worker, wecom, corp, app, dies_at
):
    inbox = MortalInbox(worker.store, len(worker.inbox.partitions), Life(dies_at))
    http = HttpSettings(port=free_port())
    async with (
        open_app_account(inbox) as account,
        open_door(http, account.routes(), Health()) as url,
    ):
        corp.endpoint.url = f"{url}/wecom/callback"
        delivery = app.says("lihua", "怎么退货？")
        await wecom.wait_for(lambda: app.texts("lihua") and delivery.over)
        again = app.says("lihua", "怎么开发票？")
        await wecom.wait_for(lambda: len(app.texts("lihua")) > 1 and again.over)
    assert [seen.status for seen in delivery.tries] == [500, 200]
    assert "".join(app.texts("lihua")).count(RETURNS) == 1


@pytest.mark.parametrize("dies_at", range(1, 9))
async def test_an_answer_killed_between_two_parts_is_finished_once(
    open_app_account, worker, app, dies_at
):
    record = Record(worker.store)
    record.life = Life(dies_at)
    async with open_app_account() as account:
        try:
            await _reply(account.channel, record)
        except KilledError:
            record.life = Life()
            await _reply(account.channel, record)
    shown = "".join(app.texts("lihua"))
    assert [shown.count(f"第{n}段，") for n in range(10)] == [1] * 10


async def test_a_part_whose_answer_was_lost_is_shown_once(open_app_account, worker, wecom, app):
    wecom.fail("message/send", "lost", times=2)
    async with open_app_account() as account:
        await _reply(account.channel, Record(worker.store))
    shown = "".join(app.texts("lihua"))
    assert [shown.count(f"第{n}段，") for n in range(10)] == [1] * 10


async def test_an_honest_repetition_is_no_duplicate(open_app_account, worker, app):
    async with open_app_account() as account:
        await _reply(account.channel, Record(worker.store, "r1"), "好的。")
        await _reply(account.channel, Record(worker.store, "r2"), "好的。")
    assert app.texts("lihua") == ["好的。", "好的。"]


@pytest.mark.parametrize(("trouble", "times"), [(503, 20), ("reset", 20)])
async def test_a_platform_that_is_down_for_a_minute_gets_the_answer_afterwards(
    open_app_account, worker, wecom, app, trouble, times
):
    """A minute of it passes at once."""
    record = Record(worker.store)
    wecom.fail("message/send", trouble, times=times)
    async with open_app_account() as account:
        await _reply(account.channel, record, RETURNS)
    assert record.waited > 60
    assert app.texts("lihua") == [RETURNS]


async def _reply(channel, record, text=LONG):
    address = Address(CHANNEL, "main", "wwcorp1/1000002", "lihua")
    turn = Turn((Message("m1", address, "怎么退货？", time.time(), envelope={"user": "lihua"}),))
    async with aclosing(ready(reply_of(text))) as events:
        await channel.reply(turn, events, record)
