"""`xiaoq doctor`: looks at everything a start needs, and says for each finding what to do."""

import asyncio
import platform
import shutil
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import typer
from redis.exceptions import RedisError

from bots.accounts import open_accounts
from bots.adapter import Adapter, Finding, Mark
from bots.app import build_house
from bots.disk import check_state_dir
from bots.house import Role
from bots.model_checks import examine_own_model
from bots.screen import address_of, redis_place
from config.errors import ConfigError
from config.loading import load_settings
from config.settings import EndpointSettings, InferenceSettings, Settings
from core.embedded_redis import find_server, open_embedded_redis
from core.knowledge.store import Knowledge
from core.personas import Personas
from core.redis import Store, open_store
from inference.client.chat import ChatTurn, Prompt
from inference.client.errors import InferenceError
from inference.client.model_client import ModelClient, open_client

OLDEST_PYTHON = (3, 11)
OLDEST_REDIS = (6, 2)
LEAST_DISK = 1 << 30
MOST_SKEW_SECONDS = 5.0
ADVICE_ON_MODEL = {
    "unreachable": "start the model server, or correct url in XIAOQ_INFERENCE__ENDPOINTS",
    "timeout": "see whether the model server is stuck or still loading; "
    "XIAOQ_INFERENCE__FIRST_TOKEN_SECONDS is how long to wait",
    "misconfigured": "the server refuses: in XIAOQ_INFERENCE__ENDPOINTS check api_key, "
    "url (should end in /v1) and model",
    "busy": "it has too much to do; try again, or add an endpoint",
}


Check = Callable[[Settings], Coroutine[Any, Any, list[Finding]]]


async def examine() -> bool:
    """Print all findings; True when nothing needs doing."""
    findings = _show(_python())
    try:
        settings = load_settings()
    except ConfigError as error:
        findings += _show(*_each_line("settings", "cannot be used", error))
    else:
        findings += _show(Finding(Mark.GOOD, "settings", "every one can be used"))
        for check in _CHECKS:
            findings += _show(*await check(settings))
    wrong = sum(finding.mark is Mark.BAD for finding in findings)
    typer.echo(_conclusion(wrong))
    return not wrong


def _show(*findings: Finding) -> list[Finding]:
    for finding in findings:
        typer.echo(f"{finding.mark} {finding.part:<11} {finding.seen}")
        if finding.advice:
            typer.echo(f"{'':<13} → {finding.advice}")
    return list(findings)


def _conclusion(wrong: int) -> str:
    if not wrong:
        return f"\nWhere {Mark.GOOD} or {Mark.OFF} stands there is nothing to do. Start: xiaoq run"
    things = "1 thing" if wrong == 1 else f"{wrong} things"
    return f"\n{things} to do, marked {Mark.BAD}; then look again: xiaoq doctor"


def _each_line(part: str, seen: str, error: ConfigError) -> list[Finding]:
    return [Finding(Mark.BAD, part, seen, line) for line in str(error).splitlines()]


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return Finding(Mark.BAD, "python", version, "install Python 3.11 or later")
    return Finding(Mark.GOOD, "python", version)


async def _redis(settings: Settings) -> list[Finding]:
    place = redis_place(settings.redis)
    try:
        where = place or f"embedded, {find_server()}"
        async with _open_redis(settings) as store:
            version, skew = await _version(store), await _skew(store)
        return [judge_redis(where, version), judge_clock(skew)]
    except ConfigError as error:
        return [Finding(Mark.BAD, "redis", "the embedded one cannot be started", str(error))]
    except (RedisError, OSError) as error:
        seen = f"{place or 'the embedded one'} cannot be used ({type(error).__name__})"
        advice = "see that it runs; then check address, user and password in XIAOQ_REDIS__URL"
        return [Finding(Mark.BAD, "redis", seen, advice)]


@asynccontextmanager
async def _open_redis(settings: Settings) -> AsyncGenerator[Store, None]:
    if settings.redis.url:
        async with open_store(settings.redis.url.get_secret_value()) as store:
            yield store
    else:
        check_state_dir(settings.state_dir)
        async with open_embedded_redis(settings.state_dir) as url, open_store(url) as store:
            yield store


async def _version(store: Store) -> str:
    info = await store.info("server")
    info = info if "redis_version" in info else next(iter(info.values()))
    return str(info["redis_version"])


def judge_redis(where: str, version: str) -> Finding:
    """Whether this version will do."""
    seen = f"{where}, version {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        return Finding(Mark.BAD, "redis", seen, "use Redis 6.2 or later, or Valkey")
    return Finding(Mark.GOOD, "redis", seen)


async def _skew(store: Store) -> float:
    """Seconds between the clocks of this machine and of Redis."""
    before = time.time()
    seconds, microseconds = await store.time()
    return abs(int(seconds) + int(microseconds) / 1e6 - (before + time.time()) / 2)


def judge_clock(skew: float) -> Finding:
    """Whether so many seconds between two clocks are too many."""
    seen = f"{skew:.2f} s off the clock of Redis"
    if skew < MOST_SKEW_SECONDS:
        return Finding(Mark.GOOD, "clock", seen)
    advice = "switch on time synchronisation (NTP) on both machines"
    return Finding(Mark.BAD, "clock", seen, advice)


async def _personas(settings: Settings) -> list[Finding]:
    personas = Personas(settings.personas_dir, settings.words_dir)
    try:
        personas.load()
    except ConfigError as error:
        return _each_line("personas", "cannot be used", error)
    names = ", ".join(voice.persona.card.name for voice in personas.voices)
    return [Finding(Mark.GOOD, "personas", f"{len(personas.voices)}: {names}")]


async def _knowledge(settings: Settings) -> list[Finding]:
    knowledge = Knowledge(settings.knowledge_dir)
    await knowledge.reload()
    seen = f"{knowledge.size} entries in {settings.knowledge_dir}"
    left_out = [
        Finding(Mark.BAD, "knowledge", "something is left out", line) for line in knowledge.problems
    ]
    if not knowledge.size:
        advice = f"put Markdown, text or FAQ files into {settings.knowledge_dir}"
        return [Finding(Mark.BAD, "knowledge", seen, advice), *left_out]
    return [Finding(Mark.GOOD, "knowledge", seen), *left_out]


async def _endpoints(settings: Settings) -> list[Finding]:
    if not settings.inference.endpoints:
        if settings.inference.engine:
            return []
        seen = "none, answers come from knowledge alone"
        advice = "to use one, set XIAOQ_INFERENCE__ENDPOINTS, or XIAOQ_INFERENCE__ENGINE"
        return [Finding(Mark.OFF, "model", seen, advice)]
    checks = [_one_token(settings.inference, end) for end in settings.inference.endpoints]
    return list(await asyncio.gather(*checks))


async def _one_token(settings: InferenceSettings, endpoint: EndpointSettings) -> Finding:
    alone = settings.model_copy(update={"endpoints": (endpoint,)})
    name = f"{endpoint.model} at {endpoint.url.host}:{endpoint.url.port}"
    prompt = Prompt((ChatTurn("user", "1+1="),), session="doctor", max_tokens=1)
    started = time.perf_counter()
    async with open_client(alone) as client:
        try:
            await client.complete(prompt)
        except InferenceError:
            return Finding(Mark.BAD, "model", f"{name}: no answer", _advice_on_model(client))
    seconds = time.perf_counter() - started
    return Finding(Mark.GOOD, "model", f"{name}: one token in {seconds:.2f} s")


def _advice_on_model(client: ModelClient) -> str:
    kind = client.endpoints[0].last_error or ""
    return ADVICE_ON_MODEL.get(kind, "it answers with errors; its own log should say why")


async def _accounts(settings: Settings) -> list[Finding]:
    """Each account of each platform, asked online."""
    off = {
        "telegram": "XIAOQ_TELEGRAM__TOKEN",
        "slack": "XIAOQ_SLACK__BOT_TOKEN",
        "wecom": "XIAOQ_WECOM__KF_SECRET, __APP_SECRET or __AIBOT_TOKEN",
    }
    found = [
        Finding(Mark.OFF, platform, "off", f"to use it, set {setting}")
        for platform, setting in off.items()
        if not getattr(settings, platform)
    ]
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(_open_redis(settings))
            model = await stack.enter_async_context(open_client(settings.inference))
            knowledge = Knowledge(settings.knowledge_dir)
            house = build_house(settings, Role.WORKER, store, model, knowledge)
        except (ConfigError, RedisError, OSError) as error:
            seen = f"not looked at, Redis is needed for it ({type(error).__name__})"
            return [*found, Finding(Mark.BAD, "accounts", seen, "see to Redis first")]
        for account in open_accounts(house):
            found += await _examine(account)
    return found


async def _examine(account: AbstractAsyncContextManager[Adapter]) -> Sequence[Finding]:
    try:
        async with account as opened:
            return await opened.examine()
    except ConfigError as error:
        return _each_line("accounts", "cannot be used", error)


async def _port(settings: Settings) -> list[Finding]:
    host, port = settings.http.host, settings.http.port
    reason = _why_not_free(host, port)
    if not reason:
        return [Finding(Mark.GOOD, "port", f"{host}:{port} is free")]
    if await _is_xiaoq(f"{address_of(settings.http)}/live"):
        return [Finding(Mark.GOOD, "port", f"{host}:{port}, XiaoQ is running there")]
    advice = "stop the program that has it, or set XIAOQ_HTTP__PORT (or __HOST) to another"
    return [Finding(Mark.BAD, "port", f"{host}:{port} cannot be used: {reason}", advice)]


def _why_not_free(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or type(error).__name__
    return ""


async def _is_xiaoq(url: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            body = await response.json()
            return isinstance(body, dict) and body.get("live") is True
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _disk(settings: Settings) -> list[Finding]:
    try:
        check_state_dir(settings.state_dir)
    except ConfigError as error:
        return [Finding(Mark.BAD, "disk", "cannot be written to", str(error))]
    return [judge_disk(settings.state_dir, shutil.disk_usage(settings.state_dir).free)]


def judge_disk(folder: Path, free: int) -> Finding:
    """Whether so many bytes are enough."""
    seen = f"{free / (1 << 30):.1f} GiB free for {folder}"
    if free < LEAST_DISK:
        return Finding(Mark.BAD, "disk", seen, "free some space, or move XIAOQ_STATE_DIR")
    return Finding(Mark.GOOD, "disk", seen)


_CHECKS: tuple[Check, ...] = (
    _redis,
    _personas,
    _knowledge,
    examine_own_model,
    _endpoints,
    _accounts,
    _port,
    _disk,
)
