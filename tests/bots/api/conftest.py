"""The official client, unchanged, against the running house."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from company import found_company, running, settings_for
from openai import AsyncOpenAI
from peers.model import ModelPeer, open_peer

from bots.house import House

KEYS = {"crm": "key-of-the-crm", "shop": "key-of-the-shop"}


@dataclass(frozen=True, slots=True)
class Api:
    """A running house, the client of one key, and bare HTTP for what the client would not send."""

    house: House
    openai: AsyncOpenAI
    http: aiohttp.ClientSession

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.house.settings.http.port}/v1"

    def with_key(self, key: str) -> AsyncOpenAI:
        """The client of another key; shares its connections with the first."""
        return self.openai.with_options(api_key=key)

    async def post(self, body: bytes, **headers: str) -> tuple[int, dict, dict]:
        """Post a body as it is; returns status, JSON and headers."""
        headers = {"Authorization": f"Bearer {KEYS['crm']}"} | headers
        url = f"{self.base}/chat/completions"
        async with self.http.post(url, data=body, headers=headers) as response:
            return response.status, await response.json(), dict(response.headers)


@pytest.fixture
def company(tmp_path):
    return found_company(tmp_path)


@pytest.fixture
async def peer():
    async with open_peer() as model:
        yield model


@pytest.fixture
def open_api(company, redis_url, store):
    """Start the house with two keys, beside a model if one is given."""

    @asynccontextmanager
    async def open_api(
        model: ModelPeer | None = None, url: str = redis_url, **sections
    ) -> AsyncIterator[Api]:
        sections.setdefault("api", {"keys": [{"name": n, "key": k} for n, k in KEYS.items()]})
        if model:
            endpoints = [{"url": model.url, "model": "peer"}]
            sections["inference"] = {"endpoints": endpoints, "first_token_seconds": 2}
        settings = settings_for(company, url, **sections)
        async with (
            running(settings) as house,
            AsyncOpenAI(
                api_key=KEYS["crm"],
                base_url=f"http://127.0.0.1:{settings.http.port}/v1",
                max_retries=0,
            ) as client,
            aiohttp.ClientSession() as http,
        ):
            yield Api(house, client, http)

    return open_api
