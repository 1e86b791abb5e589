from collections.abc import AsyncIterator

import pytest
from peers.model import ModelPeer, open_peer


@pytest.fixture
async def peer() -> AsyncIterator[ModelPeer]:
    async with open_peer() as peer:
        yield peer


@pytest.fixture
async def other() -> AsyncIterator[ModelPeer]:
    async with open_peer() as peer:
        yield peer
