"""Updates reach a bot until it confirms them, by polling and by webhook."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from peers.telegram import TelegramPeer, telegram_peer
from peers.telegram_delivery import SECRET_HEADER
from peers.telegram_updates import BotAccount
from telegram import Bot, Update
from telegram.error import BadRequest, Conflict
from telegram.ext import ApplicationBuilder, MessageHandler, filters

CUSTOMER = 7
GROUP = -1_000_000_000_555


@pytest.fixture
async def peer() -> AsyncIterator[TelegramPeer]:
    async with telegram_peer() as running:
        yield running


@pytest.fixture
def account(peer: TelegramPeer) -> BotAccount:
    return peer.bot()


@pytest.fixture
async def bot(peer: TelegramPeer, account: BotAccount) -> AsyncIterator[Bot]:
    async with Bot(account.token, base_url=peer.base) as connected:
        yield connected


@dataclass
class Hook:
    """A webhook that answers as it is told, 200 at the end."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    secrets: list[str | None] = field(default_factory=list)
    before: Callable[[str], Awaitable[None]] | None = None

    async def take(self, request: web.Request) -> web.Response:
        self.secrets.append(request.headers.get(SECRET_HEADER))
        text = (await request.json())["message"]["text"]
        if self.before is not None:
            await self.before(text)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.texts.append(text)
        return web.Response(status=status)


@asynccontextmanager
async def open_hook(*statuses: int) -> AsyncIterator[Hook]:
    hook = Hook(statuses=list(statuses))
    app = web.Application()
    app.router.add_post("/hook", hook.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield hook
    finally:
        await runner.cleanup()


def texts(updates: tuple[Update, ...]) -> list[str | None]:
    return [update.message.text for update in updates if update.message]


async def test_updates_stay_until_the_offset_passes_them(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    for text in "abc":
        account.says(CUSTOMER, text)
    assert texts(await bot.get_updates()) == ["a", "b", "c"]
    first = (await bot.get_updates(limit=1))[0]
    assert texts(await bot.get_updates(offset=first.update_id + 1)) == ["b", "c"]
    assert len(peer.pending(account)) == 2
    assert texts(await bot.get_updates(offset=-1)) == ["c"]
    assert await bot.get_updates(offset=first.update_id + 3) == ()
    await peer.all_acknowledged(account)


async def test_a_poll_waits_for_the_next_update(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    async with asyncio.TaskGroup() as group:
        poll = group.create_task(bot.get_updates(timeout=5))
        await peer.wait_for(lambda: bool(peer.calls))
        account.says(CUSTOMER, "now")
    assert texts(poll.result()) == ["now"]
    assert await bot.get_updates(offset=poll.result()[0].update_id + 1, timeout=0) == ()


async def test_a_second_poller_ends_the_first(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    async with Bot(account.token, base_url=peer.base) as other:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_ended(bot))
            await peer.wait_for(lambda: len(peer.called("getUpdates")) == 1)
            second = group.create_task(other.get_updates(timeout=5))
            assert "other getUpdates request" in await first
            account.says(CUSTOMER, "hello")
    assert texts(second.result()) == ["hello"]
    assert account.outbox.conflicts == 1


async def _ended(bot: Bot) -> str:
    with pytest.raises(Conflict) as conflict:
        await bot.get_updates(timeout=5)
    return str(conflict.value)


async def test_polling_and_a_webhook_exclude_each_other(account: BotAccount, bot: Bot) -> None:
    async with open_hook() as hook:
        await bot.set_webhook(hook.url, secret_token="s3cret")
        with pytest.raises(Conflict, match="webhook is active"):
            await bot.get_updates()
        await bot.delete_webhook()
        account.says(CUSTOMER, "hello")
        assert texts(await bot.get_updates()) == ["hello"]
        assert hook.secrets == []
        with pytest.raises(BadRequest, match="unallowed characters"):
            await bot.set_webhook(hook.url, secret_token="wrong secret")


async def test_a_webhook_is_called_again_until_it_says_ok(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    account.says(CUSTOMER, "early")
    async with open_hook(500, 403) as hook:
        await bot.set_webhook(hook.url, secret_token="s3cret", max_connections=7)
        await peer.wait_for(lambda: account.outbox.last_error is not None)
        account.says(CUSTOMER, "late")
        info = await bot.get_webhook_info()
        assert info.pending_update_count == 2
        assert info.last_error_message == "Wrong response from the webhook: 500"
        assert info.max_connections == 7
        await peer.all_acknowledged(account)
        assert hook.texts == ["early", "late"]
        assert set(hook.secrets) == {"s3cret"}
        assert account.outbox.attempts == 4


async def test_a_slow_chat_does_not_hold_up_the_others(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    go = asyncio.Event()

    async def wait(text: str) -> None:
        if text == "slow":
            await go.wait()

    async with open_hook() as hook:
        hook.before = wait
        await bot.set_webhook(hook.url)
        for user, text in ((1, "slow"), (1, "after"), (2, "quick")):
            account.says(user, text)
        await peer.wait_for(lambda: len(peer.pending(account)) == 2)
        assert hook.texts == ["quick"]
        go.set()
        await peer.all_acknowledged(account)
        assert hook.texts == ["quick", "slow", "after"]


async def test_a_webhook_that_is_away_or_mute_is_tried_again(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    peer.post.timeout = 0.05
    first = True

    async def mute_once(_text: str) -> None:
        nonlocal first
        if first:
            first = False
            await asyncio.Event().wait()

    account.says(CUSTOMER, "hello")
    async with open_hook() as hook:
        hook.before = mute_once
        await bot.set_webhook(hook.url)
        await peer.wait_for(lambda: account.outbox.last_error is not None)
        assert account.outbox.last_error is not None
        assert account.outbox.last_error[1] == "Read timeout expired"
        await peer.all_acknowledged(account)
    account.says(CUSTOMER, "nobody there")
    await peer.wait_for(lambda: "Connection refused" in (account.outbox.last_error or ()))
    assert len(peer.pending(account)) == 1


async def test_nothing_is_delivered_while_the_peer_is_down(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    async with open_hook() as hook:
        await bot.set_webhook(hook.url)
        await peer.down()
        account.says(CUSTOMER, "meanwhile")
        with pytest.raises(TimeoutError):
            await peer.all_acknowledged(account, 0.1)
        assert account.outbox.attempts == 0
        await peer.up()
        await peer.all_acknowledged(account)
        assert hook.texts == ["meanwhile"]


async def test_updates_come_twice_late_out_of_order_and_forged_when_told(
    peer: TelegramPeer, account: BotAccount, bot: Bot
) -> None:
    with account.holding() as held:
        account.says(CUSTOMER, "first")
        account.says(CUSTOMER, "second")
    assert peer.pending(account) == []
    async with open_hook() as hook:
        await bot.set_webhook(hook.url, secret_token="s3cret")
        account.deliver(held[1], held[0], held[1])
        await peer.all_acknowledged(account)
        assert hook.texts == ["second", "first", "second"]
        assert await account.outbox.post(held[0], secret="wrong") == 200
        assert await account.outbox.post(b"not JSON") == 500
        assert await account.outbox.post(held[0], secret="") == 200
        assert hook.secrets[-3:] == ["wrong", "s3cret", None]


async def test_a_confirmed_update_can_come_once_more_by_polling(
    account: BotAccount, bot: Bot
) -> None:
    update = account.says(CUSTOMER, "hello")
    after = update["update_id"] + 1
    await bot.get_updates()
    assert await bot.get_updates(offset=after) == ()
    account.deliver(update)
    assert texts(await bot.get_updates(offset=after)) == ["hello"]
    assert await bot.get_updates(offset=after) == ()


async def test_only_wanted_kinds_come_and_the_wish_lasts(account: BotAccount, bot: Bot) -> None:
    account.push("message_reaction", {"chat": {"id": CUSTOMER, "type": "private"}})
    await bot.get_updates(allowed_updates=["message", "stopped_message_generation"])
    account.connects(99)
    account.push("stopped_message_generation", {"draft_id": 5})
    account.says(CUSTOMER, "hello")
    strange, message = await bot.get_updates()
    assert strange.api_kwargs["stopped_message_generation"] == {"draft_id": 5}
    assert message.message is not None
    assert len(account.outbox.unwanted) == 2


async def test_privacy_mode_lets_through_what_names_the_bot(peer: TelegramPeer) -> None:
    private = peer.bot("456:def", "shy_bot", "小Q", privacy=True)
    async with Bot(private.token, base_url=peer.base) as bot:
        private.says(CUSTOMER, "hello", chat=GROUP)
        private.says(CUSTOMER, "@SHY_bot hello", chat=GROUP)
        private.says(CUSTOMER, "/help@other_bot", chat=GROUP)
        private.says(CUSTOMER, "/help", chat=GROUP)
        private.says(CUSTOMER, "小Q 在吗", text_mention="小Q", chat=GROUP)
        private.sends_photo(CUSTOMER, "look", chat=GROUP)
        answer = await bot.send_message(GROUP, "here")
        private.says(CUSTOMER, "thanks", chat=GROUP, reply_to=answer.message_id)
        private.says(CUSTOMER, "just us")
        assert texts(await bot.get_updates()) == [
            *("@SHY_bot hello", "/help", "小Q 在吗", "thanks", "just us")
        ]


async def test_the_librarys_own_poller_is_served(peer: TelegramPeer, account: BotAccount) -> None:
    application = ApplicationBuilder().token(account.token).base_url(peer.base).build()

    async def answer(update: Update, _context: object) -> None:
        assert update.message is not None
        await update.message.reply_text(f"echo {update.message.text}")

    application.add_handler(MessageHandler(filters.TEXT, answer))
    async with application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_polling(timeout=5)
        account.says(CUSTOMER, "one")
        account.says(CUSTOMER, "two")
        await peer.wait_for(2)
        await application.updater.stop()
        await application.stop()
    assert peer.texts(CUSTOMER) == ["echo one", "echo two"]
    assert peer.pending(account) == []
    assert not any(c.parameters.get("drop_pending_updates") for c in peer.called("deleteWebhook"))
