"""The stream of events to an open page."""

import asyncio
import json
from contextlib import aclosing

import pytest
from company import visiting
from staff import nothing_left, says

from bots.web import stream as streams


@pytest.fixture
def impatient(monkeypatch):
    """A page is kept alive many times a second."""
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.05)


async def lines_of(visitor):
    """What the page is sent, raw, from its last event on."""
    url = f"{visitor.base}/web/main/events?conversation=home"
    async with asyncio.timeout(30):
        async with visitor.session.get(url, headers={"Last-Event-ID": visitor.last}) as response:
            async for line in response.content:
                yield line.decode().strip()


def test_what_was_read_from_the_stream_is_not_told_again_when_it_was_heard_too():
    heard = [("9-1", "a"), ("10-0", "b"), ("10-2", "c"), ("11-0", "d")]
    assert streams._after("10-1", heard) == heard[2:]
    assert streams._after("11-0", heard) == []
    assert streams._after("0-0", heard) == heard


async def test_an_idle_page_is_kept_alive_again_and_again(shop, impatient):
    async with shop() as house, visiting(house) as visitor, aclosing(lines_of(visitor)) as lines:
        kept = 0
        while kept < 5:
            kept += await anext(lines) == ": keep-alive"


async def test_keep_alives_between_the_words_neither_lose_nor_double_any(shop, peer, impatient):
    peer.script(says(*"一二三四五六七八九十" * 4, delay=0.02))
    async with shop() as house, visiting(house) as visitor:
        asked = await visitor.say("讲个长故事")
        shown = ""
        async with aclosing(lines_of(visitor)) as lines:
            async for line in lines:
                event = json.loads(line.removeprefix("data: ")) if line.startswith("data:") else {}
                if event.get("type") == "delta":
                    assert event["at"] == len(shown)
                    shown += event["text"]
                if event.get("type") == "done" and event["reply"] == asked:
                    break
    assert shown
    assert event["text"].startswith(shown)


async def test_an_answer_stands_before_a_model_has_counted_its_tokens(
    shop, store, peer, monkeypatch
):
    peer.tokenizer = "vllm"
    goes_on = asyncio.Event()
    async with shop() as house, visiting(house) as visitor:
        count = house.model.count_tokens

        async def held(text: str) -> int:
            await goes_on.wait()
            return await count(text)

        monkeypatch.setattr(house.model, "count_tokens", held)
        asked = await visitor.say("您好")
        answer = await visitor.until("done", asked)
        assert (await house.inbox.depth())[0] == 1
        goes_on.set()
        await nothing_left(house)
        (key,) = await store.keys("xq:*:memory:*")
        (exchange,) = await store.lrange(key, 0, -1)
        assert json.loads(exchange)["tokens"] == len(f"您好\n{answer['text']}")


async def test_news_that_was_never_heard_is_read_with_the_next_keep_alive(shop, store, impatient):
    async with shop() as house, visiting(house) as visitor:
        await visitor.until("done", await visitor.say("您好"))
        (key,) = await store.keys("xq:*:page:*")
        async with aclosing(lines_of(visitor)) as lines:
            while await anext(lines) != ": keep-alive":
                pass
            await store.xadd(key, {"event": '{"type": "unheard"}'})
            while await anext(lines) != 'data: {"type": "unheard"}':
                pass


async def test_an_idle_page_asks_for_nothing_between_two_keep_alives(shop, store):
    async with shop() as house, visiting(house) as visitor, aclosing(lines_of(visitor)) as lines:
        await anext(lines)
        await asyncio.sleep(0.2)
        before = await store.info("commandstats")
        await asyncio.sleep(1)
        after = await store.info("commandstats")
    reads = "cmdstat_xrange"
    assert after.get(reads, {}).get("calls", 0) == before.get(reads, {}).get("calls", 0)
