"""A finished answer that WeCom does not ask for, or that no stream can show whole."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from peers.wecom_aibot import AiBot

from bots.wecom.aibot.endings import POSTED, WhenAsked
from bots.wecom.aibot.events import CHAT, RESPONSE_URL, STREAM
from bots.wecom.aibot.hosts import Hosts
from bots.wecom.aibot.response_url import ResponseUrls
from bots.wecom.aibot.streams import Streams
from config.settings import InboxSettings
from core.delivery import LeaseDelivery
from core.errors import UndeliverableError
from core.inbox import Inbox
from core.messages import Address, Message
from core.turn import Turn

MORE = "……（内容较长，未完。需要的话请让我接着说。）"
WHERE = Address("wecom-aibot", "main", "AIB", "lihua")


class Work:
    """A turn in work whose answer stands finished in its stream."""

    def __init__(self, store, inbox, ending, streams) -> None:
        self.store, self.inbox, self.ending, self.streams = store, inbox, ending, streams

    async def begin(self, *parts: str, url: str, age: float = 0.0) -> None:
        asked = time.time() - age
        envelope = {STREAM: "s1", RESPONSE_URL: url, CHAT: "lihua"}
        self.message = Message("CAI1", WHERE, "问", asked, envelope=envelope)
        opening = self.streams.opening(WHERE, "s1", asked, "zh")
        await self.inbox.accept(self.message, opening)
        await self.take()
        await self.delivery.delivered(1, self.streams.finishing(WHERE, "s1", parts))

    async def take(self) -> None:
        """Begin an attempt."""
        partition = self.inbox.partition(WHERE.key)
        entries = [entry async for entry in self.inbox.own(partition, "w")]
        entries = entries or await self.inbox.take(partition, "w", 1)
        lease = await self.inbox.begin(entries[0], "w")
        assert lease is not None
        self.delivery = LeaseDelivery(self.inbox, lease, self._rest, is_atomic=False)

    async def bring(self) -> None:
        """Let WeCom have seen the end of the stream."""
        shown = await self.streams.read(WHERE, "s1")
        assert shown is not None
        await self.streams.bring(WHERE, "s1", shown)

    async def see_off(self) -> None:
        await self.ending.see_off(Turn((self.message,)), "s1", self.delivery)

    async def _rest(self, *_) -> None:
        return


@pytest.fixture
async def work(store, wecom) -> AsyncIterator[Work]:
    inbox = Inbox(store, InboxSettings(), 2)
    await inbox.open()
    streams = Streams(store, inbox)
    async with aiohttp.ClientSession() as session:
        urls = ResponseUrls(session, Hosts(wecom.api_base))
        yield Work(store, inbox, WhenAsked(streams, urls, patience=0.05), streams)


def later(exchange):
    return [body["markdown"]["content"] for body in exchange.later]


async def test_what_wecom_asked_for_is_not_posted(work, wecom, bot: AiBot):
    exchange = bot.asks("lihua", "问")
    await work.begin("答", url=exchange.payload["response_url"])
    await work.bring()
    await work.see_off()
    assert later(exchange) == []


async def test_what_wecom_does_not_ask_for_is_posted_once(work, wecom, bot: AiBot):
    exchange = bot.asks("lihua", "问")
    await work.begin("答", url=exchange.payload["response_url"])
    await work.see_off()
    await work.see_off()
    assert later(exchange) == ["答"]
    assert work.delivery.sent == POSTED
    shown = await work.streams.read(WHERE, "s1")
    assert shown is not None
    assert shown.is_closed


async def test_what_is_too_long_for_a_stream_is_posted(work, wecom, bot: AiBot):
    exchange = bot.asks("lihua", "问")
    await work.begin("第一部分", "第二部分", url=exchange.payload["response_url"])
    await work.bring()
    await work.see_off()
    assert later(exchange) == ["第二部分"]


async def test_an_answer_too_long_for_all_ways_says_that_there_is_more(work, wecom, bot: AiBot):
    exchange = bot.asks("lihua", "问")
    await work.begin("一", "二", "三", url=exchange.payload["response_url"])
    await work.bring()
    await work.see_off()
    assert later(exchange) == [f"二\n\n{MORE}"]


async def test_what_no_stream_shows_any_more_is_posted_with_a_word_that_there_is_more(
    work, wecom, bot: AiBot
):
    exchange = bot.asks("lihua", "问")
    await work.begin("长" * 6800, "二", url=exchange.payload["response_url"])
    await work.see_off()
    (posted,) = later(exchange)
    assert posted.startswith("长" * 6000)
    assert posted.endswith(f"\n\n{MORE}")


async def test_after_a_crash_while_posting_a_refusal_means_that_it_is_there(
    work, wecom, bot: AiBot
):
    exchange = bot.asks("lihua", "问")
    await work.begin("答", url=exchange.payload["response_url"])
    await work.see_off()
    # The process was killed before it could note what it had posted.
    await work.delivery.delivered(1)
    await work.take()
    assert work.delivery.sent == 1
    await work.see_off()
    assert later(exchange) == ["答"]


@pytest.mark.parametrize("url", ["", "http://169.254.169.254/latest"])
async def test_where_nothing_can_be_posted_the_answer_is_undeliverable(work, wecom, url):
    await work.begin("答", url=url)
    with pytest.raises(UndeliverableError):
        await work.see_off()
    assert wecom.calls == []


async def test_an_hour_later_nothing_is_posted(work, wecom, bot: AiBot):
    exchange = bot.asks("lihua", "问")
    await work.begin("答", url=exchange.payload["response_url"], age=3601)
    with pytest.raises(UndeliverableError):
        await work.see_off()
    assert wecom.called("aibot/response") == []
