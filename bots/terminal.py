"""`xiaoq chat`: the web page's conversation in a terminal.

Questions are read while no loop runs: a thread that waits for a keyboard cannot be stopped, and
Ctrl-C has to work at the prompt too.
"""

import asyncio
import importlib
import json
import locale
import os
import re
import sys
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import aiohttp
import typer
from pydantic import BaseModel, Field

TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)
ANSWER_SECONDS = 300.0
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.5
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What could steer a terminal; an answer has no business with it."""


class ServerGoneError(Exception):
    """The conversation cannot go on; the message says why and what to do."""


def chat_in_terminal(url: str, account: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Talk until end of input; raises ServerGoneError.

    A server that is away is asked again for so many seconds.
    """
    _edit_lines()
    with asyncio.Runner() as runner:
        page = runner.run(_open(url, account, patience_seconds))
        try:
            runner.run(page.welcome())
            while (text := _ask()) is not None:
                if text.strip():
                    runner.run(page.converse(text))
        finally:
            runner.run(page.close())


async def _open(url: str, account: str, patience_seconds: float) -> "_Page":
    jar = aiohttp.CookieJar(unsafe=True)  # servers are reached by address here
    http = aiohttp.ClientSession(cookie_jar=jar, timeout=TIMEOUT)
    return _Page(http, f"{url.rstrip('/')}/web/{account}", patience_seconds)


class _Hello(BaseModel):
    """Who answers here; another program's answer does not look like this."""

    name: str
    greeting: dict[str, str] = Field(min_length=1)


class _Page:
    """One visitor's conversation with a running server."""

    def __init__(self, http: aiohttp.ClientSession, base: str, patience_seconds: float) -> None:
        self._http = http
        self._base = base
        self._patience_seconds = patience_seconds
        self._last = "0-0"

    async def close(self) -> None:
        """Hang up."""
        await self._http.close()

    async def welcome(self) -> None:
        """Print who answers here."""
        hint = f"no XiaoQ answers at {self._base}; start it with: make run"
        try:
            async with self._http.get(f"{self._base}/hello") as response:
                if response.status == 404:
                    raise ServerGoneError(f"{self._base}: there is no such page; is it --account?")
                hello = _Hello.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ServerGoneError(hint) from error
        _say(f"{hello.name}\n", bold=True)
        _say(f"{_greeting(hello.greeting)}\n")
        _say("(/new starts afresh, Ctrl-D leaves)\n\n", dim=True)

    async def converse(self, text: str) -> None:
        """Send one message and print its answer as it comes."""
        message = str(uuid.uuid4())
        if not await self._send({"id": message, "text": text}):
            return
        answer = _Answer()
        try:
            async with asyncio.timeout(ANSWER_SECONDS), aclosing(self._events()) as events:
                async for event in events:
                    if event.get("reply") == message and answer.take(event):
                        return
        except TimeoutError:
            _say("[no answer came; please ask again]\n", dim=True)

    async def _send(self, body: dict[str, str]) -> bool:
        """Hand a message in, again while the server is away or busy; False where it is refused."""
        patience = _Patience(self._patience_seconds)
        while True:
            try:
                async with self._http.post(f"{self._base}/messages", json=body) as response:
                    if response.status == 202:
                        return True
                    reason = _reason(response.status, await response.text())
                if response.status < 500 and response.status != 429:
                    _say(f"[{reason}]\n", dim=True)
                    return False
            except (aiohttp.ClientError, TimeoutError):
                reason = "the server is gone"
            await patience.wait(reason)

    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        """The conversation's events; connects again where the stream ends."""
        patience = _Patience(self._patience_seconds)
        while True:
            reason = "the connection is lost"
            headers = {"Last-Event-ID": self._last}
            try:
                async with self._http.get(f"{self._base}/events", headers=headers) as response:
                    if response.status == 401:
                        raise ServerGoneError("the server has forgotten this conversation")
                    if response.status == 200:
                        patience = _Patience(self._patience_seconds)
                        async with aclosing(self._read(response)) as events:
                            async for event in events:
                                yield event
                    else:
                        reason = _reason(response.status, "")
            except (aiohttp.ClientError, TimeoutError):
                reason = "the server is gone"
            await patience.wait(reason)

    async def _read(self, response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any], None]:
        """Events of one connection; remembers which came last."""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self._last = line[4:]
            elif line.startswith("data: "):
                yield json.loads(line[6:])


class _Patience:
    """Tries again for a while, and says so once."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._has_spoken = False

    async def wait(self, reason: str) -> None:
        """Pause before another try; raises ServerGoneError when it has been long enough."""
        if time.monotonic() >= self._deadline:
            raise ServerGoneError(f"{reason}; start it again with: make run")
        if not self._has_spoken:
            self._has_spoken = True
            _say(f"[{reason}; trying again]\n", dim=True)
        await asyncio.sleep(PAUSE_SECONDS)


class _Answer:
    """An answer as far as it is on the screen."""

    def __init__(self) -> None:
        self._shown = ""

    def take(self, event: dict[str, Any]) -> bool:
        """Print what an event adds; True at the end of the answer."""
        kind = event["type"]
        if kind == "delta":
            self._shown = self._shown[: event["at"]] + event["text"]
            _say(event["text"])
        elif kind in ("start", "retract") and self._shown:
            self._shown = ""
            _say("\n…\n", dim=True)
        elif kind == "done":
            self._finish(event)
        return bool(kind == "done")

    def _finish(self, event: dict[str, Any]) -> None:
        text = event["text"]
        is_more = text.startswith(self._shown)
        _say(text[len(self._shown) :] if is_more else f"\n…\n{text}")
        _say("\n")
        for source in event["sources"]:
            _say(f"  · {source['title']} ({source['path']})\n", dim=True)
        _say("\n")


def _reason(status: int, body: str) -> str:
    """Why a message was not taken, in the server's words if it has some for customers."""
    try:
        said = json.loads(body)["text"]
    except (ValueError, KeyError, TypeError):
        said = {413: "the message is too long", 503: "the server is not ready"}.get(status)
    return str(said or f"the server answered {status}")


def _greeting(texts: dict[str, str]) -> str:
    """The greeting in the language of this terminal, else in English, else the first one."""
    places = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    code = next(filter(None, places), "").partition(".")[0].replace("_", "-").lower()
    by_code = {language.lower(): text for language, text in texts.items()}
    wanted = (code, code.partition("-")[0], "en")
    return next((by_code[each] for each in wanted if each in by_code), next(iter(texts.values())))


def _edit_lines() -> None:
    """Give input() arrow keys and a history, where readline can take more than ASCII.

    In a locale that the machine lacks it rings the bell for every Chinese character.
    """
    if sys.stdin.isatty() and locale.nl_langinfo(locale.CODESET) == "UTF-8":
        with suppress(ImportError):
            importlib.import_module("readline")


def _ask() -> str | None:
    """The next question; None at the end of input. Only a person is shown a prompt."""
    try:
        return input("> " if sys.stdin.isatty() else "")
    except EOFError:
        return None


def _say(text: str, *, bold: bool | None = None, dim: bool | None = None) -> None:
    color = False if os.environ.get("NO_COLOR") else None
    typer.secho(UNSEEN.sub("", text), nl=False, color=color, bold=bold, dim=dim)
