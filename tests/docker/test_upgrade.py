"""The upgrade of docs/operate.md while customers write: old container out, new one in."""

import asyncio
import signal
from collections import Counter
from uuid import uuid4

import aiohttp
from company import Visitor, free_port
from images import command, contained
from proxies import proxy

QUESTIONS = 8


class Customer:
    """Asks one question after the other, and does what the page does when the line is cut."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.visitor = Visitor(session, base)
        self.asked: list[str] = []
        self.halfway = asyncio.Event()

    async def ask_all(self) -> None:
        """Never stop for long: questions fall before, into and after the restart."""
        for number in range(QUESTIONS):
            await self.ask()
            if number == QUESTIONS // 2:
                self.halfway.set()

    async def ask(self) -> None:
        identity = str(uuid4())
        while True:
            try:
                status, _ = await self.visitor.post("怎么退货？", identity)
            except aiohttp.ClientError:
                continue
            if status == 202:
                break
            await asyncio.sleep(0.1)
        self.asked.append(identity)
        while True:
            try:
                await self.visitor.answer_to(identity)
            except (aiohttp.ClientError, AssertionError):
                await asyncio.sleep(0.1)
            else:
                return

    async def answers(self) -> Counter[str]:
        """How often each question was answered, by what the page would show now."""
        self.visitor.last = "0-0"
        seen: Counter[str] = Counter()
        async for event in self.visitor.events():
            if event["type"] == "done":
                seen[event["reply"]] += 1
                if event["reply"] == self.asked[-1]:
                    break
        return seen


async def test_an_upgrade_loses_no_message_and_answers_none_twice(machine, tmp_path, browser):
    port = free_port()
    async with asyncio.timeout(60), proxy(tmp_path, port) as base, asyncio.TaskGroup() as group:
        customer = Customer(browser, base)
        async with contained(machine, command(), port) as old:
            await customer.visitor.hello()
            asking = group.create_task(customer.ask_all())
            await customer.halfway.wait()
            old.signal(signal.SIGTERM)
            assert await old.ended() == 0
        async with contained(machine, command(), port):
            await asking
            answers = await customer.answers()
    assert len(customer.asked) == QUESTIONS
    assert answers == Counter(customer.asked)
