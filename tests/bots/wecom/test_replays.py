"""A callback is heard once, unless nobody knows whether what it asks for was done."""

import asyncio

import pytest
from company import free_port
from peers.wecom_callbacks import ASK, xml_of
from redis.exceptions import ConnectionError as RedisConnectionError

from bots.http import open_door
from config.settings import HttpSettings
from core.health import Health
from core.inbox import Inbox

RETURNS = "七天内可以退货，请在订单页申请。"


class StuckInbox(Inbox):
    """That of a process which is gone before anything is written down."""

    def __init__(self, store, settings, partitions):
        super().__init__(store, settings, partitions)
        self.reached = asyncio.Event()

    async def accept(self, message, effects=()):
        self.reached.set()
        await asyncio.Event().wait()


@pytest.fixture
def settings(entry, corp, app):
    return entry(corp, agent_id=app.id, app_secret=app.secret)


async def test_a_callback_whose_process_was_killed_is_heard_when_it_comes_again_as_it_is(
    open_app_account, worker, wecom, corp, app
):
    """WeCom does not promise to sign a repeat anew."""
    stuck = StuckInbox(worker.store, worker.inbox._settings, len(worker.inbox.partitions))
    letter = corp.endpoint.letter(xml_of(ASK))
    first, second = HttpSettings(port=free_port()), HttpSettings(port=free_port())
    async with (
        open_app_account(stuck) as dying,
        open_app_account() as alive,
        open_door(first, dying.routes(), Health(), 0.1) as dying_url,
        open_door(second, alive.routes(), Health()) as alive_url,
    ):
        corp.endpoint.url = f"{dying_url}/wecom/callback"
        hanging = asyncio.create_task(corp.courier.post(corp.endpoint, letter))
        await stuck.reached.wait()
        corp.endpoint.url = f"{alive_url}/wecom/callback"
        assert (await corp.courier.post(corp.endpoint, letter)).status == 200
        assert (await corp.courier.post(corp.endpoint, letter)).status == 403
        hanging.cancel()
        await wecom.wait_for(lambda: app.texts("lihua"))
    assert app.texts("lihua") == [RETURNS]


async def test_a_redis_that_goes_away_after_the_acceptance_does_not_refuse_the_message(
    open_app_account, worker, wecom, corp, app, monkeypatch
):
    letter = corp.endpoint.letter(xml_of(ASK))
    accept, asked = worker.inbox.accept, worker.store.set

    async def gone(*_, **__):
        raise RedisConnectionError

    async def accepted(message, effects=()):
        receipt = await accept(message, effects)
        monkeypatch.setattr(worker.store, "set", gone)
        return receipt

    monkeypatch.setattr(worker.inbox, "accept", accepted)
    http = HttpSettings(port=free_port())
    async with (
        open_app_account() as account,
        open_door(http, account.routes(), Health()) as url,
    ):
        corp.endpoint.url = f"{url}/wecom/callback"
        assert (await corp.courier.post(corp.endpoint, letter)).status == 200
        monkeypatch.setattr(worker.store, "set", asked)
        await wecom.wait_for(lambda: app.texts("lihua"))
    assert app.texts("lihua") == [RETURNS]
