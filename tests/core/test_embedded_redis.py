"""The embedded Redis: a real child process."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from redis.asyncio import Redis

from core.embedded_redis import open_embedded_redis
from core.redis import open_store


async def process_id(url: str) -> int:
    async with Redis.from_url(url, protocol=2) as client:
        return int((await client.info("server"))["process_id"])


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def wait_until_gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while is_running(pid):
            await asyncio.sleep(0.01)


async def test_it_keeps_what_was_written_over_a_clean_stop(tmp_path):
    async with open_embedded_redis(tmp_path) as url, open_store(url) as store:
        await store.set("k", "v")
    async with open_embedded_redis(tmp_path) as url, open_store(url) as store:
        assert await store.get("k") == "v"


async def test_stopping_at_once_does_not_hang(tmp_path):
    async with open_embedded_redis(tmp_path):
        for pause in range(40):
            async with asyncio.timeout(30), open_embedded_redis(tmp_path):
                await asyncio.sleep(pause / 50_000)


async def test_it_opens_no_port_and_lets_only_its_user_in(tmp_path):
    async with open_embedded_redis(tmp_path) as url, open_store(url) as store:
        assert (await store.config_get("port"))["port"] == "0"
        assert Path(url.removeprefix("unix://")).stat().st_mode & 0o077 == 0


async def test_it_stops_with_its_last_user_only(tmp_path):
    async with AsyncExitStack() as first:
        url = await first.enter_async_context(open_embedded_redis(tmp_path))
        pid = await process_id(url)
        async with open_embedded_redis(tmp_path) as again:
            assert await process_id(again) == pid
        assert is_running(pid)
    await wait_until_gone(pid)


async def test_one_left_behind_by_a_kill_is_taken_over(tmp_path):
    code = f"""
import asyncio
import sys
from pathlib import Path
from core.embedded_redis import open_embedded_redis
async def main():
    async with open_embedded_redis(Path({str(tmp_path)!r})) as url:
        sys.stderr.write(url + "\\n")
        await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with parent:
        url = (await asyncio.to_thread(parent.stderr.readline)).strip()
        pid = await process_id(url)
        parent.kill()
    async with open_embedded_redis(tmp_path) as again:
        assert await process_id(again) == pid
    await wait_until_gone(pid)


async def test_it_is_started_again_when_it_dies(tmp_path):
    async with open_embedded_redis(tmp_path) as url, open_store(url) as store:
        await store.set("k", "v")
        os.kill(await process_id(url), signal.SIGKILL)
        async with asyncio.timeout(60):
            while await is_away(store):
                await asyncio.sleep(0.05)
        assert await store.get("k") == "v"


async def test_a_state_folder_with_a_very_long_path_works(tmp_path):
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    async with open_embedded_redis(deep) as url, open_store(url) as store:
        assert await store.ping()
    Path(url.removeprefix("unix://")).parent.rmdir()


async def is_away(store) -> bool:
    try:
        await store.ping()
    except Exception:  # whatever an outage looks like from here
        return True
    return False
