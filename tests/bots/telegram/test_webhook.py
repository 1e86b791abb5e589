"""The callback that Telegram calls."""

import json
from collections import Counter
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import pytest
from company import free_port
from peers.mutations import mutated
from peers.telegram_desk import open_account, settings_at, waiting

from bots.http import open_door
from bots.telegram.events import Asked, Me, understand
from bots.telegram.updates import BadUpdateError, parse_update
from bots.telegram.webhook import SECRET_HEADER, webhook_secret
from config.settings import HttpSettings
from core.health import Health
from core.messages import Message
from core.redis import open_store

ANSWER = "七天内可以退货，请在订单页申请。"


@pytest.fixture
def port():
    return free_port()


@asynccontextmanager
async def calling(telegram, store, port, *, is_started=True):
    """Post bodies to an account in webhook mode; gives their status."""
    chosen = settings_at(telegram, mode="webhook", public_url=f"http://127.0.0.1:{port}")
    right = webhook_secret(chosen)
    async with (
        open_account(store, chosen) as account,
        open_door(HttpSettings(port=port), account.routes(), Health()) as url,
        aiohttp.ClientSession() as session,
    ):
        if is_started:
            await account.start()

        async def post(body, secret=right, **more):
            headers = {"Content-Type": "application/json"} | more
            if secret is not None:
                headers[SECRET_HEADER] = secret
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            path = f"{url}/telegram/webhook"
            async with session.post(path, data=data, headers=headers) as response:
                await response.read()
                return response.status

        yield post


@pytest.fixture
async def callback(telegram, bot, store, port):
    async with calling(telegram, store, port) as post:
        yield post


def with_webhook(port, name="main"):
    return {"mode": "webhook", "public_url": f"http://127.0.0.1:{port}", "name": name}


async def test_a_question_comes_in_by_the_callback(open_house, telegram, bot, port):
    async with open_house(with_webhook(port), port=port):
        bot.says(7, "怎么退货")
        await telegram.wait_for(1)
        await telegram.all_acknowledged(bot)
    assert telegram.texts(7) == [ANSWER]
    (call,) = telegram.called("setWebhook")
    assert call.parameters["url"] == f"http://127.0.0.1:{port}/telegram/webhook"
    assert len(call.parameters["secret_token"]) == 64
    assert "business_message" in call.parameters["allowed_updates"]
    assert "drop_pending_updates" not in call.parameters
    assert not telegram.called("getUpdates")


async def test_each_account_has_a_path_of_its_own(open_house, telegram, bot, port):
    shop = telegram.bot("456789:ghi", "shop_bot")
    accounts = (
        with_webhook(port),
        with_webhook(port, "shop") | {"token": "456789:ghi"},
    )
    async with open_house(*accounts, port=port):
        bot.says(7, "怎么退货")
        shop.says(7, "能开发票吗")
        await telegram.wait_for(2)
    assert telegram.texts(7, scope=bot) == [ANSWER]
    assert telegram.texts(7, scope=shop) == ["下单时勾选发票，三天内发到邮箱。"]
    assert shop.outbox.webhook.url.endswith("/telegram/webhook/shop")


async def test_what_could_not_be_taken_comes_again(open_house, telegram, bot, port, store):
    telegram.post.first_wait = 0.05
    async with open_house(with_webhook(port), port=port) as house:
        await store.set("xq:{0}:backlog", 10**9)
        await store.set("xq:{1}:backlog", 10**9)
        bot.says(7, "怎么退货")
        await telegram.wait_for(lambda: bot.outbox.last_error is not None)
        assert "503" in bot.outbox.last_error[1]
        await store.delete("xq:{0}:backlog", "xq:{1}:backlog")
        await telegram.wait_for(1)
        await telegram.all_acknowledged(bot)
        assert 'receipt="backlog_full"' in house.metrics.render().decode()


async def test_before_the_bot_knows_itself_telegram_must_send_again(telegram, bot, store, port):
    with bot.holding():
        update = bot.says(7, "怎么退货")
    async with calling(telegram, store, port, is_started=False) as callback:
        assert await callback(update) == 503
    assert await waiting(store) == []


@pytest.mark.parametrize("secret", ["", "wrong", None, "é", "a" * 9000])
async def test_without_the_secret_nothing_is_processed(callback, bot, store, secret):
    with bot.holding():
        update = bot.says(7, "怎么退货")
    status = await callback(update, secret=secret)
    assert status == (403 if len(secret or "") < 9000 else 400)
    assert await waiting(store) == []
    assert await callback(update) == 200
    assert len(await waiting(store)) == 1


async def test_a_callback_repeated_is_accepted_once(callback, bot, store):
    with bot.holding():
        update = bot.says(7, "怎么退货")
    assert [await callback(update) for _ in range(3)] == [200] * 3
    assert len(await waiting(store)) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'{"update_id":"x"}', b"\xff\xfe"])
async def test_what_is_no_update_is_refused(callback, store, body):
    assert await callback(body) == 400


async def test_a_body_that_is_too_large_or_not_what_it_says_is_refused(callback):
    assert await callback(b"x" * 300_000) == 413
    assert await callback(b"x", **{"Content-Encoding": "deflate"}) == 400


async def test_an_update_of_an_unknown_form_does_not_block_its_chat(callback):
    assert await callback({"update_id": 1, "message": "?"}) == 200
    assert await callback({"update_id": 2, "invented": {}}) == 200


async def test_without_redis_telegram_must_send_again(telegram, bot, port, tmp_path):
    with bot.holding():
        updates = [bot.says(7, "怎么退货"), bot.says(7, "好", chat=-1_000_000_000_555)]
    async with open_store(f"unix://{tmp_path}/nobody") as away:
        async with calling(telegram, away, port) as callback:
            assert await callback(updates[0]) == 503
            assert await callback(updates[1]) == 200


def bodies(bot, count):
    """Random bytes, and real updates with something out of place; the same in every run."""
    with bot.holding():
        whole = [
            bot.says(7, "@xiaoq_bot 你好 😀 /help", chat=-1_000_000_000_555, topic=3),
            bot.says(7, "/start abc"),
            bot.edits(bot.says(8, "好"), "不好"),
            bot.sends_photo(7, "看", album="a"),
            bot.sends_document(7, b"x"),
            {"update_id": 9, "callback_query": {"id": "1", "from": {"id": 7}, "data": "x"}},
        ]
    dice = Random(7)
    for _ in range(count):
        update = dice.choice(whole)
        text = json.dumps(update).encode()
        place = dice.randrange(len(text))
        yield dice.choice(
            [
                dice.randbytes(dice.randrange(60)),
                text[:place],
                text[:place] + dice.randbytes(1) + text[place + 1 :],
                json.dumps(mutated(update, dice)).encode(),
                json.dumps(mutated(update, dice)).encode(),
            ]
        )


async def test_no_body_whatever_breaks_the_callback(callback, bot):
    statuses = Counter([await callback(body) for body in bodies(bot, 10_000)])
    assert statuses.keys() <= {200, 400, 503}
    assert statuses[200] > 100
    assert statuses[400] > 100


def test_ten_thousand_bodies_are_read_or_refused(telegram, bot):
    me, read = Me(123, "xiaoq_bot"), 0
    for body in bodies(bot, 10_000):
        try:
            event = understand(parse_update(body), me, "main", 0.0)
        except BadUpdateError:
            continue
        if isinstance(event, Asked):
            Message.from_json(event.message.to_json())
            read += 1
    assert read > 300
