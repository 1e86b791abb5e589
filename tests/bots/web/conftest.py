"""One browser for all tests of the page, a fresh visitor and a fresh server for each."""

from collections.abc import AsyncIterator

import pytest_asyncio
from peers.browser import open_browser, open_page
from peers.page_server import PageServer, serve_page
from playwright.async_api import Browser, Page, expect


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
