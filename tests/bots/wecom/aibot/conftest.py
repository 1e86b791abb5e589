"""AI bots at the WeCom of our own, and XiaoQ behind them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from company import free_port
from peers.model import DONE, ModelPeer, chunk, stream
from peers.wecom import WeComPeer
from peers.wecom_aibot import AiBot

from bots.house import House


@pytest.fixture
def bot(wecom: WeComPeer) -> AiBot:
    """A bot that WeCom calls back, and asks for news without rest."""
    made = wecom.aibot()
    made.refresh_seconds = 0.02
    return made


@pytest.fixture
def socket_bot(wecom: WeComPeer) -> AiBot:
    """A bot with a long connection."""
    return wecom.aibot("AIS", long_connection=True)


@pytest.fixture
def written(wecom: WeComPeer) -> Callable[..., dict[str, Any]]:
    """An entry of the settings for a bot of the peer."""

    def entry(bot: AiBot, **more: Any) -> dict[str, Any]:
        base = {"api_base": wecom.api_base}
        if bot.socket.is_used:
            login = {"aibot_id": bot.id, "aibot_secret": bot.secret}
            return base | login | {"aibot_mode": "socket", "aibot_socket": wecom.socket_url} | more
        keys = {"aibot_token": bot.endpoint.token, "aibot_aes_key": bot.endpoint.aes_key}
        return base | keys | more

    return entry


@pytest.fixture
async def gate(model: ModelPeer) -> asyncio.Event:
    """The model says 想了很久， and then 终于想好了。 when this is set."""
    gate = asyncio.Event()
    ending = (chunk("终于想好了。"), chunk(finish="stop"), DONE)
    model.script(stream(chunk("想了很久，"), gate, *ending))
    return gate


@pytest.fixture
def open_bots(open_house: Callable[..., Any], written: Callable[..., dict[str, Any]]) -> Any:
    """XiaoQ with these bots; the first is named main, others by their ids."""

    @asynccontextmanager
    async def opened(*bots: AiBot, **more: Any) -> AsyncIterator[House]:
        port, entries = more.pop("port", 0) or free_port(), []
        for number, bot in enumerate(bots):
            path = f"/wecom/aibot/{bot.id}" if number else "/wecom/aibot"
            bot.endpoint.url = f"http://127.0.0.1:{port}{path}"
            entries.append(written(bot, name=bot.id if number else "main"))
        async with open_house(*entries, port=port, **more) as house:
            yield house

    return opened
