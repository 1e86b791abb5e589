"""One browser for all tests of the page, a fresh visitor and a fresh server for each; and a shop
with a model for the tests of the page's real server.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from company import found_company, running, settings_for
from peers.browser import open_browser, open_page
from peers.model import ModelPeer, open_peer
from peers.page_server import PageServer, serve_page
from playwright.async_api import Browser, Page, expect

from bots.house import House

Opening = Callable[..., AbstractAsyncContextManager[House]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def page_server() -> AsyncIterator[PageServer]:
    async with serve_page() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, page_server: PageServer) -> AsyncIterator[Page]:
    """The page as a Chinese visitor meets it, greeted and ready."""
    async with open_page(browser) as opened:
        await opened.goto(page_server.url)
        await expect(opened.locator(".answer")).to_have_count(1)
        yield opened


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """The files of a small shop."""
    return found_company(tmp_path)


@pytest.fixture
async def peer() -> AsyncIterator[ModelPeer]:
    """A model server that does what it is told."""
    async with open_peer() as model:
        yield model


@pytest.fixture
def shop(company: Path, redis_url: str, store: object, peer: ModelPeer) -> Opening:
    """Opens the shop, with the model."""

    def opened(**sections: Any) -> AbstractAsyncContextManager[House]:
        endpoint = {"url": peer.url, "model": "peer"}
        sections = {"inference": {"endpoints": [endpoint]}, **sections}
        return running(settings_for(company, redis_url, **sections))

    return opened
