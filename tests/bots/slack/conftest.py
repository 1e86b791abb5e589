"""A Slack, an app in it, and the company that uses both."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import aiohttp
import pytest
from company import found_company
from peers.model import ModelPeer, open_peer
from peers.slack import SlackPeer, slack_peer
from peers.slack_records import Bot
from staff import Office

from bots.slack.api import Api, web_client


@pytest.fixture
async def peer() -> AsyncGenerator[SlackPeer, None]:
    async with slack_peer() as slack:
        yield slack


@pytest.fixture
def bot(peer: SlackPeer) -> Bot:
    return peer.bot()


@pytest.fixture
def office(tmp_path, redis_url, store, peer: SlackPeer) -> Office:
    """A company with an empty Redis; nothing runs yet."""
    return Office(found_company(tmp_path), redis_url, peer)


@pytest.fixture
async def model() -> AsyncGenerator[ModelPeer, None]:
    async with open_peer() as server:
        yield server


@dataclass(frozen=True)
class Wire:
    """A session and the calls of one bot on it."""

    session: aiohttp.ClientSession
    api: Api


@pytest.fixture
async def account(peer: SlackPeer, bot: Bot) -> AsyncGenerator[Wire, None]:
    async with aiohttp.ClientSession() as session:
        yield Wire(session, Api(web_client(bot.token, peer.base, session)))
