"""A small company on disk, and XiaoQ running for it in this process."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from bots.app import open_house, run_house
from bots.house import House, Role
from config.settings import Settings
from core.tasks import beside
from inference.units.keeper import Programme

PERSONA = """\
name: {name}
business_line: a shop
language: {{reply: customer, fallback: zh}}
tone: polite
rules: be short
greeting: {{zh: 您好, en: Hello}}
sentences:
  apology: {{zh: 抱歉出错了, en: Sorry it broke}}
  refusal: {{zh: 这个我不能说, en: I cannot say that}}
  busy: {{zh: 现在很忙, en: Busy now}}
  handoff: {{zh: 请拨打热线, en: Please call us}}
  off_hours: {{zh: 已经下班, en: We are closed}}
  unknown: {{zh: 我不知道，请找人工, en: I do not know - ask a person}}
  fresh: {{zh: 重新开始, en: Fresh start}}
answer: {{max_characters: 300}}
knowledge: [shop]
moderation: {{categories: [abuse]}}
channels: [{channels}]
"""
FAQ = """\
line: shop
language: zh
entries:
  - title: 退货
    questions: [怎么退货？, 退货流程是什么, 我想退货]
    answer: 七天内可以退货，请在订单页申请。
  - title: 发票
    questions: [怎么开发票？, 能开发票吗]
    answer: 下单时勾选发票，三天内发到邮箱。
  - title: 运费
    questions: [运费多少钱？, 要邮费吗]
    answer: 满九十九元包邮，不满收八元。
"""
FAQ_EN = """\
line: shop
language: en
entries:
  - title: Returns
    questions: [How do I return an item?, I want to send my order back]
    answer: You can return it within seven days on the order page.
"""
PORTS = range(11_000, 32_000)
"""Those a test may choose; Linux gives out higher ones by itself, to servers and clients alike."""
WORDS = """\
description: insults
action: refuse
words: [大笨蛋, stupidhead]
"""


def found_company(folder: Path) -> Path:
    """Write personas, knowledge and word lists of a small shop."""
    for name in ("personas", "knowledge/shop", "words"):
        (folder / name).mkdir(parents=True)
    write_persona(folder)
    (folder / "knowledge/shop/faq.zh.yaml").write_text(FAQ)
    (folder / "knowledge/shop/faq.en.yaml").write_text(FAQ_EN)
    (folder / "words/abuse.yaml").write_text(WORDS)
    return folder


def write_persona(
    folder: Path, stem: str = "shop", name: str = "小Q", channels: str = '"*"'
) -> Path:
    """Write a persona file."""
    text = PERSONA.format(name=name, channels=channels)
    path = folder / "personas" / f"{stem}.yaml"
    path.write_text(text)
    return path


def settings_for(folder: Path, redis_url: str, **sections: Any) -> Settings:
    """Settings of the small company on a free port."""
    sections.setdefault("limits", {"per_minute": 100_000, "burst": 10_000})
    sections.setdefault("inbox", {"lease_seconds": 2, "grace_seconds": 2})
    return Settings(
        http={"port": free_port()},
        redis={"url": redis_url, "partitions": 2},
        state_dir=folder / "state",
        personas_dir=folder / "personas",
        knowledge_dir=folder / "knowledge",
        words_dir=folder / "words",
        **sections,
    )


def free_port() -> int:
    """A port nobody listens on now, and nobody is given by the system before it is used."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@asynccontextmanager
async def running(
    settings: Settings, role: Role = Role.ALL, programme: Programme | None = None
) -> AsyncGenerator[House, None]:
    """XiaoQ at work until the body ends; stops gracefully."""
    stop = asyncio.Event()
    async with open_house(settings, role, programme) as house, beside(_until(house, stop)) as work:
        try:
            yield house
        finally:
            stop.set()
            async with asyncio.timeout(60):
                await asyncio.wait([work])


async def _until(house: House, stop: asyncio.Event) -> None:
    await run_house(house, stop)


@dataclass
class Visitor:
    """A customer with a browser: a cookie, messages out, events in."""

    session: aiohttp.ClientSession
    base: str
    account: str = "main"
    last: str = "0-0"
    conversation: str = "home"

    async def hello(self) -> dict[str, Any]:
        async with self.session.get(f"{self.base}/web/{self.account}/hello") as response:
            assert response.status == 200, response.status
            return await response.json()

    async def post(self, text: str, identity: str = "") -> tuple[int, str]:
        """Send a message; returns the status and the message's id."""
        identity = identity or str(uuid4())
        url = f"{self.base}/web/{self.account}/messages"
        async with self.session.post(url, json={"id": identity, "text": text}) as response:
            await response.read()
            return response.status, identity

    async def call(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Ask for something under `/web/{account}`; returns the status and the JSON answer."""
        url = f"{self.base}/web/{self.account}/{path}"
        if body is not None:
            options["json"] = body
        async with self.session.request(method, url, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def say(self, text: str, **more: Any) -> str:
        """Send a message with more than a text; returns its id."""
        identity = str(uuid4())
        status, _ = await self.call("POST", "messages", {"id": identity, "text": text, **more})
        assert status == 202, status
        return identity

    async def until(self, type_: str, reply: str) -> dict[str, Any]:
        """Wait for an event about an answer."""
        async with asyncio.timeout(60):
            async for event in self.events():
                if event["type"] == type_ and event.get("reply") == reply:
                    return event
        raise AssertionError("the stream ended before the event")

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """Events since the last one seen."""
        headers = {"Last-Event-ID": self.last}
        url = f"{self.base}/web/{self.account}/events?conversation={self.conversation}"
        async with self.session.get(url, headers=headers) as response:
            assert response.status == 200, response.status
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                if line.startswith("id: "):
                    self.last = line[4:]
                elif line.startswith("data: "):
                    yield json.loads(line[6:])

    async def answer_to(self, identity: str) -> dict[str, Any]:
        """Wait for the end of an answer."""
        async for event in self.events():
            if event["type"] == "done" and event["reply"] == identity:
                return event
        raise AssertionError("the stream ended before the answer")

    async def ask(self, text: str) -> dict[str, Any]:
        """Send a message and wait for its answer."""
        status, identity = await self.post(text)
        assert status == 202, status
        async with asyncio.timeout(60):
            return await self.answer_to(identity)


@asynccontextmanager
async def visiting(house: House, account: str = "main") -> AsyncGenerator[Visitor, None]:
    """A new customer of a running house."""
    http = house.settings.http
    base = f"http://{http.host}:{http.port}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        visitor = Visitor(session, base, account)
        await visitor.hello()
        yield visitor
