"""A process that serves kf dies at any moment; what it left is finished by the next."""

import time
from contextlib import aclosing
from functools import partial

import pytest
from mortal import KilledError, Life, MortalInbox, Record, ready, reply_of

from bots.wecom.kf.account import open_kf
from bots.wecom.kf.events import Desk
from core.messages import Message
from core.tasks import beside
from core.turn import Turn

QUESTIONS = {"怎么退货？": "七天内可以退货", "怎么开发票？": "三天内发到邮箱"}
CUSTOMERS = ("wmA", "wmB", "wmC")
LONG = "\n\n".join(f"第{n}段，" + "退货" * 100 for n in range(8))
"""Three messages."""


@pytest.fixture
def settings(entry, corp, desk):
    return entry(corp, kf_secret="kf-secret")


@pytest.fixture
def open_account(open_part, worker):
    """The kf account around an inbox of one's own."""
    return partial(open_part, open_kf, personas=worker.personas, memory=worker.memory)


@pytest.mark.parametrize("dies_at", range(1, 13))
async def test_a_pull_killed_anywhere_loses_nothing_and_answers_nothing_twice(
    open_account, worker, wecom, desk, dies_at
):
    desk.page = 2
    with desk.silence():
        for question in QUESTIONS:
            for user in CUSTOMERS:
                desk.says(user, question)
    mortal = MortalInbox(worker.store, len(worker.inbox.partitions), Life(dies_at))
    async with open_account(mortal) as account:
        with pytest.raises(KilledError):
            await account.listen()
    async with open_account() as account, beside(account.listen()):
        await wecom.wait_for(lambda: all(_answered(desk, user) for user in CUSTOMERS))
    for user in CUSTOMERS:
        said = "".join(desk.texts(user))
        assert [said.count(answer) for answer in QUESTIONS.values()] == [1, 1]


@pytest.mark.parametrize("trouble", ["lost", "reset", 502])
async def test_a_page_that_did_not_arrive_is_asked_for_again(
    open_account, worker, wecom, desk, trouble
):
    with desk.silence():
        desk.says("wmA", "怎么退货？")
    wecom.fail("kf/sync_msg", trouble)
    async with open_account() as account, beside(account.listen()):
        await wecom.wait_for(lambda: desk.texts("wmA"))
    assert len(desk.texts("wmA")) == 1


@pytest.mark.parametrize("dies_at", range(1, 13))
async def test_an_answer_killed_between_two_parts_is_finished_once(
    open_account, worker, desk, dies_at
):
    record = Record(worker.store)
    record.life = Life(dies_at)
    async with open_account() as account:
        try:
            await _reply(account.channel, desk, record)
        except KilledError:
            record.life = Life()
            await _reply(account.channel, desk, record)
    assert _parts_shown(desk) == [1] * 8


@pytest.mark.parametrize("errcode", [0, 95032, 40058])
async def test_parts_whose_answers_were_lost_are_shown_once(
    open_account, worker, wecom, desk, errcode
):
    """Whatever WeCom says to an id that it knows."""
    desk.repeated_errcode = errcode
    wecom.fail("kf/send_msg", "lost", times=3)
    async with open_account() as account:
        await _reply(account.channel, desk, Record(worker.store))
    assert _parts_shown(desk) == [1] * 8


async def test_a_wecom_that_is_down_for_a_minute_gets_the_answer_afterwards(
    open_account, worker, wecom, desk, monkeypatch
):
    """A minute of it passes at once."""
    monkeypatch.setattr("bots.wecom.tokens.AWAY_SECONDS", 0.0)
    record = Record(worker.store)
    wecom.fail("*", 503, times=20)
    async with open_account() as account:
        await _reply(account.channel, desk, record)
    assert record.waited > 60
    assert _parts_shown(desk) == [1] * 8


def _answered(desk, user):
    return all(answer in "".join(desk.texts(user)) for answer in QUESTIONS.values())


def _parts_shown(desk):
    shown = "".join(desk.texts("wmA"))
    return [shown.count(f"第{n}段，") for n in range(8)]


async def _reply(channel, desk, record, text=LONG):
    if "wmA" not in desk.sessions:
        with desk.silence():
            desk.says("wmA", "详细说说")
    customer = Desk("main", desk.corp).customer(desk.id, "wmA")
    turn = Turn((Message("m1", customer.address, "详细说说", time.time()),))
    async with aclosing(ready(reply_of(text))) as events:
        await channel.reply(turn, events, record)
