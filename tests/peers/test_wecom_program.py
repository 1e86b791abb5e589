"""The peer serves another process: `xiaoq run` with the settings that it prints."""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import ClientSession
from command import environment, started
from company import found_company

PROGRAM = Path(__file__).with_name("wecom.py")
QUESTION = {"user": "lihua", "text": "怎么退货？"}
ANSWER = "七天内可以退货，请在订单页申请。"


async def test_it_runs_as_a_program(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        control = said.pop("control")
        env = environment(found_company(tmp_path)) | said
        async with started(env=env) as server, ClientSession() as session:
            base = {"base": server.base}
            assert (await session.post(f"{control}/connect", json=base)).status == 200
            for who, verb in [("app", "says"), ("kf", "says"), ("aibot", "asks")]:
                assert ANSWER in await _ask(session, f"{control}/{who}", verb)
            calls = await (await session.get(f"{control}/calls?since=1")).json()
            assert {"kf/send_msg", "message/send"} <= {call["method"] for call in calls}
    finally:
        process.terminate()
        await process.wait()


async def _ask(session: ClientSession, url: str, verb: str) -> str:
    """Let somebody ask, and wait for what is shown."""
    assert (await session.post(url, json={"do": verb, "with": QUESTION})).status == 200
    async with asyncio.timeout(60):
        while True:
            shown = await (await session.get(url, params={"user": QUESTION["user"]})).json()
            if "".join(shown):
                return "".join(shown)
            await asyncio.sleep(0.02)
