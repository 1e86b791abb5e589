"""`xiaoq chat`: the web page's conversation in a terminal."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp

from config.errors import ConfigError

RETRIES = 8
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)


async def chat_in_terminal(url: str, account: str) -> None:
    """Talk until end of input; raises ConfigError when no server answers there."""
    base = f"{url.rstrip('/')}/web/{account}"
    jar = aiohttp.CookieJar(unsafe=True)  # servers are reached by address here
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=TIMEOUT) as session:
        hello = await _hello(session, base)
        greeting = hello["greeting"]
        _say(f"{hello['name']}: {next(iter(greeting.values()), '')}\n")
        _say("(/new starts afresh, Ctrl-D leaves)\n")
        last = "0-0"
        while (text := await asyncio.to_thread(_ask)) is not None:
            if text.strip():
                last = await _converse(session, base, text, last)


async def _hello(session: aiohttp.ClientSession, base: str) -> dict[str, Any]:
    try:
        async with session.get(f"{base}/hello") as response:
            if response.status != 200:
                raise ConfigError(f"{base}: answered {response.status}; is the account right?")
            hello: dict[str, Any] = await response.json()
            return hello
    except aiohttp.ClientError as error:
        raise ConfigError(f"no XiaoQ answers at {base}; start it with: make run") from error


async def _converse(session: aiohttp.ClientSession, base: str, text: str, seen: str) -> str:
    """Send one message and print its answer; returns the last event seen."""
    message = str(uuid.uuid4())
    if not await _send(session, base, {"id": message, "text": text}):
        return seen
    shown = ""
    async with aclosing(_events(session, base, seen)) as events:
        async for entry, event in events:
            if event.get("reply") != message:
                continue
            if event["type"] == "delta":
                shown = shown[: event["at"]] + event["text"]
                _say(event["text"])
            elif event["type"] in ("start", "retract") and shown:
                shown = ""
                _say("\n…\n")
            elif event["type"] == "done":
                _finish(shown, event)
                return entry
    return seen


async def _send(session: aiohttp.ClientSession, base: str, body: dict[str, str]) -> bool:
    for attempt in range(RETRIES):
        try:
            async with session.post(f"{base}/messages", json=body) as response:
                if response.status == 202:
                    return True
                said = (await response.json()).get("text") or response.reason
                _say(f"[{response.status}] {said}\n")
                if response.status not in (429, 503):
                    return False
        except aiohttp.ClientError as error:
            _say(f"[{type(error).__name__}] trying again\n")
        await asyncio.sleep(min(5.0, 0.5 * 2**attempt))
    return False


async def _events(
    session: aiohttp.ClientSession, base: str, last: str
) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    """The conversation's events; connects again where the stream ends."""
    while True:
        try:
            headers = {"Last-Event-ID": last}
            async with session.get(f"{base}/events", headers=headers) as response:
                async for raw in response.content:
                    line = raw.decode().rstrip("\n")
                    if line.startswith("id: "):
                        last = line[4:]
                    elif line.startswith("data: "):
                        yield last, json.loads(line[6:])
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.5)


def _finish(shown: str, event: dict[str, Any]) -> None:
    rest = event["text"][len(shown) :] if event["text"].startswith(shown) else f"\n{event['text']}"
    _say(f"{rest}\n")
    for source in event["sources"]:
        _say(f"  · {source['title']} ({source['path']})\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _ask() -> str | None:
    _say("> ")
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None
