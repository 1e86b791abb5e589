"""The whole product with a model of its own: `xiaoq run`, a unit, Transformers, a tiny Qwen2."""

import asyncio
import signal

import aiohttp
import psutil
import pytest
from command import environment, started
from company import Visitor, found_company

pytest.importorskip("torch")
pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

LOADING_SECONDS = 180.0
"""Importing torch alone takes a while on a small machine."""


@pytest.fixture
def company(tmp_path):
    from peers.qwen import small_tokenizer
    from peers.tiny_qwen import write_tiny

    write_tiny(tmp_path / "tiny", small_tokenizer())
    return found_company(tmp_path)


async def until_ready(session: aiohttp.ClientSession, base: str) -> dict:
    async with asyncio.timeout(LOADING_SECONDS):
        while True:
            async with session.get(f"{base}/ready") as response:
                part = (await response.json())["parts"]["model"]
            if part["state"] == "ok":
                return part
            assert part["units"][0]["state"] in {"starting", "loading"}, part
            await asyncio.sleep(0.2)


async def test_xiaoq_run_answers_with_its_own_model_and_takes_it_along_at_the_end(company):
    env = environment(
        company,
        inference__engine="transformers",
        inference__model_dir="tiny",
        inference__context_tokens="2048",
        inference__device="cpu",
        inference__first_token_seconds="60",
    )
    jar = aiohttp.CookieJar(unsafe=True)  # on an address that is a number
    async with started(env=env) as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        assert "tiny on the processor, being loaded" in server.screen
        part = await until_ready(session, server.base)
        assert part["units"][0]["progress"] == 1
        units = psutil.Process(server.process.pid).children()
        visitor = Visitor(session, server.base)
        await visitor.hello()
        answer = await visitor.ask("火星上有没有生命")
        assert (answer["outcome"], answer["origin"]) == ("answered", "model")
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert [unit.pid for unit in units if unit.is_running()] == []
