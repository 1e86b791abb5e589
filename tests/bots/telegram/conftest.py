"""A Telegram of our own, and XiaoQ with a bot there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from company import found_company, running, settings_for
from peers.model import ModelPeer, open_peer
from peers.telegram import TelegramPeer, telegram_peer
from peers.telegram_desk import PARTITIONS, TOKEN, open_account, settings_at
from peers.telegram_updates import BotAccount

from bots.house import House, Role
from bots.telegram.account import TelegramAccount
from bots.telegram.api import TelegramApi
from config.settings import HttpSettings, InboxSettings
from core.inbox import Inbox
from core.redis import Store

Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramPeer]:
    async with telegram_peer() as peer:
        yield peer


@pytest.fixture
def bot(telegram: TelegramPeer) -> BotAccount:
    return telegram.bot(TOKEN, "xiaoq_bot")


@pytest.fixture
async def model() -> AsyncIterator[ModelPeer]:
    async with open_peer() as peer:
        yield peer


@pytest.fixture
def company(tmp_path: Path) -> Path:
    return found_company(tmp_path)


@pytest.fixture
def open_house(company: Path, redis_url: str, telegram: TelegramPeer, store: Store) -> Open:
    """XiaoQ with accounts at the peer; without a word about them, one that polls."""

    def opened(
        *accounts: dict[str, Any], port: int = 0, role: Role = Role.ALL, **sections: Any
    ) -> AbstractAsyncContextManager[House]:
        named = tuple(
            {"token": TOKEN, "api_base": telegram.url} | account for account in accounts or ({},)
        )
        settings = settings_for(company, redis_url, telegram=named, **sections)
        http = HttpSettings(port=port or settings.http.port)
        return running(settings.model_copy(update={"http": http}), role)

    return opened


@pytest.fixture
async def house(open_house: Open, bot: BotAccount) -> AsyncIterator[House]:
    async with open_house() as opened:
        yield opened


@pytest.fixture
def thinking(model: ModelPeer) -> dict[str, Any]:
    """The section that has a model answer."""
    return {"inference": {"endpoints": [{"url": model.url, "model": "peer"}]}}


@pytest.fixture
async def account(
    store: Store, telegram: TelegramPeer, bot: BotAccount
) -> AsyncIterator[TelegramAccount]:
    """An account without the house around it, that has not started."""
    async with open_account(store, settings_at(telegram)) as opened:
        yield opened


@pytest.fixture
async def inbox(store: Store) -> Inbox:
    """The inbox behind `account`, as a worker sees it."""
    box = Inbox(store, InboxSettings(), PARTITIONS)
    await box.open()
    return box


@pytest.fixture
async def api(telegram: TelegramPeer, bot: BotAccount) -> AsyncIterator[TelegramApi]:
    """The calls of the bot."""
    async with aiohttp.ClientSession() as session:
        yield TelegramApi(settings_at(telegram), session)


@pytest.fixture
async def portal() -> AsyncIterator[str]:
    """A server that answers everything with the same page; its address."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=b"<html>please log in</html>")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
