"""The library's HTTP on aiohttp."""

from traceback import format_exception

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from peers.telegram_desk import TOKEN, settings_at

from bots.markdown.telegram import Piece
from bots.telegram.api import Place, TelegramApi
from bots.telegram.errors import (
    ApiError,
    AwayError,
    MovedError,
    RefusedError,
    TokenError,
    TooManyError,
)
from core.errors import UndeliverableError

HERE = Place(7)
HELLO = Piece("您好")


@pytest.fixture
async def detour(telegram):
    """A server that sends everybody on to the peer's files; its address."""

    async def elsewhere(request):
        raise web.HTTPFound(f"{telegram.url}{request.path}")

    app = web.Application()
    app.router.add_get("/{rest:.*}", elsewhere)
    async with TestServer(app) as server:
        yield str(server.make_url("/file/bot"))


@pytest.fixture
def chat(bot):
    bot.says(7, "好")


async def test_what_is_sent_arrives_as_it_is(api, telegram, chat):
    number = await api.send(HERE, Piece('您好 😀 "&=%\n<b>'))
    (message,) = telegram.messages(7)
    assert (message.id, message.text) == (number, '您好 😀 "&=%\n<b>')


@pytest.mark.parametrize("trouble", [500, 502, 504, "reset", "lost"])
async def test_what_came_to_nothing_is_away(api, telegram, chat, trouble):
    telegram.fail("sendMessage", trouble)
    with pytest.raises(AwayError) as error:
        await api.send(HERE, HELLO)
    assert TOKEN not in repr(error.value)


async def test_a_server_that_is_not_there_is_away(api, telegram, chat):
    await telegram.down()
    with pytest.raises(AwayError) as error:
        await api.send(HERE, HELLO)
    assert TOKEN not in repr(error.value)


async def test_a_server_that_never_answers_is_away(api, telegram, chat, monkeypatch):
    monkeypatch.setattr("bots.telegram.request.READ_SECONDS", 0.1)
    monkeypatch.setattr("bots.telegram.request.CONNECT_SECONDS", 0.1)
    telegram.fail("sendMessage", "hang")
    with pytest.raises(AwayError):
        await api.send(HERE, HELLO)


@pytest.mark.parametrize("status", [401, 404])
async def test_a_token_that_nobody_knows_is_told_apart(api, telegram, chat, status):
    telegram.fail("getMe", status)
    with pytest.raises(TokenError) as error:
        await api.me()
    assert TOKEN not in repr(error.value)


async def test_too_many_calls_say_how_long_to_wait(api, telegram, chat):
    telegram.storm(1, retry_after=17)
    with pytest.raises(TooManyError) as error:
        await api.send(HERE, HELLO)
    assert error.value.seconds == 17


async def test_a_chat_that_is_closed_to_us_is_told_apart(api, bot, chat):
    bot.blocks(7)
    with pytest.raises(UndeliverableError, match="blocked"):
        await api.send(HERE, HELLO)
    with pytest.raises(UndeliverableError):
        await api.send(Place(12345), HELLO)


async def test_a_group_that_moved_says_where_it_is(api, bot):
    bot.says(7, "好", chat=-555)
    new = bot.migrates(-555, 7)
    with pytest.raises(MovedError) as error:
        await api.send(Place(-555), HELLO)
    assert error.value.chat == new


async def test_a_text_that_is_too_long_is_refused(api, chat):
    with pytest.raises(RefusedError) as error:
        await api.send(HERE, Piece("好" * 4097))
    assert "too long" in error.value.reason


async def test_a_server_that_speaks_no_json_is_away(telegram, portal):
    async with aiohttp.ClientSession() as session:
        api = TelegramApi(settings_at(telegram, api_base=portal), session)
        with pytest.raises(AwayError):
            await api.me()


async def test_a_file_comes_from_the_named_server_and_no_other(telegram, bot, detour):
    file = bot.sends_document(7, b"A-77")["message"]["document"]["file_id"]
    settings = settings_at(telegram, file_base=detour)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(RefusedError) as error:
            await TelegramApi(settings, session).download(file, 100)
    assert "302" in str(error.value)
    assert not telegram.called("file")


@pytest.mark.parametrize("trouble", [404, 500, "reset"])
async def test_a_file_that_cannot_be_fetched_tells_nobody_the_token(api, telegram, bot, trouble):
    file = bot.sends_document(7, b"A-77")["message"]["document"]["file_id"]
    telegram.fail("file", trouble, times=9)  # the client repeats a download that was cut
    with pytest.raises(ApiError) as error:
        await api.download(file, 100)
    assert TOKEN not in "".join(format_exception(error.value))
