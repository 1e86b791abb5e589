"""The peer serves another process."""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import ClientSession
from telegram import Bot

PROGRAM = Path(__file__).with_name("telegram.py")
CUSTOMER = 7


async def test_it_runs_as_a_program() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "--token", "123:abc", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        await _talk_to_program(json.loads(line))
    finally:
        process.terminate()
        await process.wait()


async def _talk_to_program(place: dict[str, str]) -> None:
    order = {"token": "123:abc", "do": "says", "with": {"user_id": CUSTOMER, "text": "在吗"}}
    async with ClientSession() as session, Bot("123:abc", base_url=place["base"]) as bot:
        async with session.post(f"{place['control']}/update", json=order) as response:
            assert (await response.json())["message"]["text"] == "在吗"
        [update] = await bot.get_updates()
        assert update.message is not None
        assert update.message.text == "在吗"
        async with session.get(f"{place['control']}/calls?since=1") as response:
            assert [call["method"] for call in await response.json()] == ["getUpdates"]
        async with session.get(f"{place['control']}/pending") as response:
            assert await response.json() == {"123:abc": 1}
