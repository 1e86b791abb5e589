"""`xiaoq doctor`: looks at everything a start needs, and says for each finding what to do."""

import asyncio
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import typer

from config.errors import ConfigError
from config.loading import load_settings
from config.settings import EndpointSettings, InferenceSettings, Settings
from core.embedded_redis import find_server, open_embedded_redis
from core.knowledge.store import Knowledge
from core.personas import Personas
from core.redis import UNAVAILABLE, Store, open_store
from inference.chat import ChatTurn, Prompt
from inference.client import open_client
from inference.errors import InferenceError

OLDEST_PYTHON = (3, 11)
OLDEST_REDIS = (6, 2)
LEAST_DISK = 1 << 30
MOST_SKEW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw; `advice` is set when something is to be done."""

    part: str
    seen: str
    advice: str = ""


Check = Callable[[Settings], Coroutine[Any, Any, list[Finding]]]


async def examine() -> bool:
    """Print all findings; True when nothing needs doing."""
    findings = [_python()]
    _show(findings[0])
    try:
        settings = load_settings()
    except ConfigError as error:
        for line in str(error).splitlines():
            _show(Finding("settings", "cannot be used", line))
        return False
    _show(Finding("settings", "good"))
    for check in (_redis, _personas, _knowledge, _endpoints, _port, _disk):
        for finding in await check(settings):
            findings.append(finding)
            _show(finding)
    return not any(finding.advice for finding in findings)


def _show(finding: Finding) -> None:
    mark = "✘" if finding.advice else "✔"
    advice = f"\n    → {finding.advice}" if finding.advice else ""
    typer.echo(f"{mark} {finding.part}: {finding.seen}{advice}")


def _python() -> Finding:
    advice = "" if sys.version_info >= OLDEST_PYTHON else "install Python 3.11 or later"
    return Finding("python", platform.python_version(), advice)


async def _redis(settings: Settings) -> list[Finding]:
    where = "the one of XIAOQ_REDIS__URL" if settings.redis.url else "embedded"
    try:
        if not settings.redis.url:
            where = f"embedded, {find_server()}"
        async with _open_redis(settings) as store:
            return [await _redis_version(store, where), await _clock(store)]
    except ConfigError as error:
        return [Finding("redis", where, str(error))]
    except UNAVAILABLE as error:
        advice = "check that it runs, and address, password and network of XIAOQ_REDIS__URL"
        return [Finding("redis", f"{where}: {type(error).__name__}", advice)]


@asynccontextmanager
async def _open_redis(settings: Settings) -> AsyncGenerator[Store, None]:
    if settings.redis.url:
        async with open_store(settings.redis.url.get_secret_value()) as store:
            yield store
    else:
        async with open_embedded_redis(settings.state_dir) as url, open_store(url) as store:
            yield store


async def _redis_version(store: Store, where: str) -> Finding:
    info = await store.info("server")
    info = info if "redis_version" in info else next(iter(info.values()))
    version = str(info["redis_version"])
    is_old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS
    return Finding("redis", f"{where}, version {version}", "use 6.2 or later" if is_old else "")


async def _clock(store: Store) -> Finding:
    before = time.time()
    seconds, microseconds = await store.time()
    skew = abs(int(seconds) + int(microseconds) / 1e6 - (before + time.time()) / 2)
    advice = (
        "" if skew < MOST_SKEW_SECONDS else "switch on time synchronisation (NTP) on both machines"
    )
    return Finding("clock", f"{skew:.2f} s off Redis' clock", advice)


async def _personas(settings: Settings) -> list[Finding]:
    personas = Personas(settings.personas_dir, settings.words_dir)
    try:
        personas.load()
    except ConfigError as error:
        return [Finding("personas", "cannot be used", line) for line in str(error).splitlines()]
    names = ", ".join(voice.persona.card.name for voice in personas.voices)
    return [Finding("personas", f"{len(personas.voices)} ({names})")]


async def _knowledge(settings: Settings) -> list[Finding]:
    knowledge = Knowledge(settings.knowledge_dir)
    await knowledge.reload()
    findings = [Finding("knowledge", "a file was left out", line) for line in knowledge.problems]
    advice = "" if knowledge.size else f"put documents into {settings.knowledge_dir}"
    return [Finding("knowledge", f"{knowledge.size} entries", advice), *findings]


async def _endpoints(settings: Settings) -> list[Finding]:
    if not settings.inference.endpoints:
        return [Finding("model", "none set: answers come from knowledge alone")]
    checks = [_one_token(settings.inference, end) for end in settings.inference.endpoints]
    return list(await asyncio.gather(*checks))


async def _one_token(settings: InferenceSettings, endpoint: EndpointSettings) -> Finding:
    alone = settings.model_copy(update={"endpoints": (endpoint,)})
    name = f"{endpoint.url.host}:{endpoint.url.port} {endpoint.model}"
    prompt = Prompt((ChatTurn("user", "1+1="),), session="doctor", max_tokens=1)
    started = time.perf_counter()
    try:
        async with open_client(alone) as client:
            await client.complete(prompt)
    except InferenceError as error:
        advice = f"{error or type(error).__name__}; check url, model and api_key of this endpoint"
        return Finding("model", name, advice)
    return Finding("model", f"{name}: a token after {time.perf_counter() - started:.2f} s")


async def _port(settings: Settings) -> list[Finding]:
    host, port = settings.http.host, settings.http.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            if await _is_xiaoq(f"http://{host}:{port}/live"):
                return [Finding("port", f"{host}:{port}, where XiaoQ is running")]
            advice = "another program has it, or the address is not this machine's: "
            return [Finding("port", f"{host}:{port}", advice + "change XIAOQ_HTTP__PORT or __HOST")]
    return [Finding("port", f"{host}:{port} is free")]


async def _is_xiaoq(url: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=3)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            body = await response.json()
            return isinstance(body, dict) and body.get("live") is True
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _disk(settings: Settings) -> list[Finding]:
    folder = _nearest(settings.state_dir.resolve())
    free = shutil.disk_usage(folder).free
    advice = "" if free > LEAST_DISK else "free some space, or move XIAOQ_STATE_DIR"
    if not os.access(folder, os.W_OK):
        advice = f"let this user write to {folder}, or move XIAOQ_STATE_DIR"
    return [Finding("disk", f"{free / (1 << 30):.1f} GiB free for {settings.state_dir}", advice)]


def _nearest(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
