import os
from collections.abc import AsyncIterator

import pytest
from peers.model import ModelPeer, open_peer
from peers.qwen import real_tokenizer, small_tokenizer

from inference.text.tokenizer import ChatTokenizer

# Threads of torch that wait for one another slow a busy machine down many times over.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
async def peer() -> AsyncIterator[ModelPeer]:
    async with open_peer() as peer:
        yield peer


@pytest.fixture
async def other() -> AsyncIterator[ModelPeer]:
    async with open_peer() as peer:
        yield peer


@pytest.fixture(scope="session", params=["small", pytest.param("real", marks=pytest.mark.model)])
def tokenizer(request: pytest.FixtureRequest) -> ChatTokenizer:
    return ChatTokenizer(small_tokenizer() if request.param == "small" else real_tokenizer())
