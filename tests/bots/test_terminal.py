"""`xiaoq chat`: a conversation in a terminal, with a server that may go away."""

import asyncio
import io
import os
import re
import signal
import sys
from contextlib import suppress

import pytest
from aiohttp import web
from command import environment, xiaoq
from company import found_company, free_port, running, settings_for
from peers.desk import Desk, delta, done, open_desk
from peers.model import DONE, chunk, open_peer, stream

from bots.terminal import ServerGoneError, chat_in_terminal

RETURNS = "七天内可以退货，请在订单页申请。"


@pytest.fixture
def company(tmp_path):
    return found_company(tmp_path)


@pytest.fixture
def chat(monkeypatch, capsys):
    """Type lines at a server; returns what stood on the screen."""

    async def chat(base: str, *lines: str, account: str = "main", patience: float = 5.0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        await asyncio.to_thread(chat_in_terminal, base, account, patience)
        return capsys.readouterr().out

    return chat


async def test_the_command_talks_to_a_running_server_until_the_end_of_input(
    company, redis_url, store
):
    settings = settings_for(company, redis_url)
    env = environment(company, http__port=str(settings.http.port)) | {"LANG": "en_GB.UTF-8"}
    env.pop("LC_ALL", None)
    async with running(settings):
        ended = await xiaoq("chat", env=env, stdin="怎么退货\n\n转人工\n")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "小Q",
        "Hello",
        "(/new starts afresh, Ctrl-D leaves)",
        "",
        RETURNS,
        "  · 退货 (shop/faq.zh.yaml)",
        "",
        "请拨打热线",
        "",
    ]


async def test_the_command_needs_no_settings_where_it_is_told_the_address(tmp_path):
    env = {k: v for k, v in environment(tmp_path).items() if not k.startswith("XIAOQ_")}
    base = f"http://127.0.0.1:{free_port()}"
    ended = await xiaoq("chat", "--url", base, env=env)
    assert (ended.code, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("no XiaoQ answers at http://127.0.0.1:")
    assert "make run" in line


async def test_an_answer_is_shown_as_it_is_written(company, redis_url, store, chat, capsys):
    go_on = asyncio.Event()
    async with open_peer() as peer:
        peer.script(stream(chunk("您好，"), go_on, chunk("请稍等。"), chunk(finish="stop"), DONE))
        settings = settings_for(
            company, redis_url, inference={"endpoints": [{"url": peer.url, "model": "peer"}]}
        )
        async with running(settings), asyncio.TaskGroup() as group:
            talk = group.create_task(chat(f"http://127.0.0.1:{settings.http.port}", "在吗"))
            seen = ""
            async with asyncio.timeout(60):
                while "您好，" not in seen.partition("leaves")[2]:
                    await asyncio.sleep(0.01)
                    seen += capsys.readouterr().out
            assert "请稍等" not in seen
            go_on.set()
    assert "请稍等。\n" in talk.result()


async def test_a_page_that_does_not_exist_is_named(chat):
    async with open_desk(Desk()) as desk:
        with pytest.raises(ServerGoneError, match="--account"):
            await chat(desk.url, account="nobody")


@pytest.mark.parametrize("hello", [{}, [], {"name": "x", "greeting": "Hi"}, "<html>"])
async def test_another_program_on_that_port_is_not_taken_for_xiaoq(chat, hello):
    async with open_desk(Desk()) as desk:
        desk.hello = hello
        with pytest.raises(ServerGoneError, match="no XiaoQ answers"):
            await chat(desk.url)


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://127.0.0.1:99999"])
async def test_what_is_no_address_leads_to_no_server(chat, url):
    with pytest.raises(ServerGoneError, match="no XiaoQ answers"):
        await chat(url)


@pytest.mark.parametrize(
    ("variables", "greeting"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "您好"),
        ({"LANG": "zh_TW.UTF-8"}, "妳好"),
        ({"LANG": "en_US.UTF-8"}, "Hello"),
        ({"LANG": "de_DE"}, "Hello"),
        ({"LANG": "C"}, "Hello"),
        ({}, "Hello"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "您好"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US", "LC_ALL": ""}, "Hello"),
    ],
)
async def test_the_greeting_speaks_the_terminals_language(chat, monkeypatch, variables, greeting):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with open_desk(Desk()) as desk:
        assert (await chat(desk.url)).splitlines()[1] == greeting


async def test_a_greeting_without_english_is_the_first_one(chat, monkeypatch):
    monkeypatch.setenv("LC_ALL", "fr_FR")
    async with open_desk(Desk()) as desk:
        desk.hello = {"name": "小Q", "greeting": {"zh": "您好", "ja": "こんにちは"}}
        assert "您好" in await chat(desk.url)


async def test_a_cut_connection_goes_on_after_the_last_event(chat):
    async with open_desk(Desk()) as desk:
        desk.streams = [
            [{"type": "start"}, delta(0, "七天")],
            [delta(2, "内可以")],
            [done("七天内可以退货。")],
        ]
        screen = await chat(desk.url, "怎么退货")
    assert desk.resumed == ["0-0", "1-1", "2-0"]
    answer = screen.partition("leaves)")[2]
    assert "".join(re.sub(r"\[.*?\]|\s", "", answer)) == "七天内可以退货。"
    assert "[the connection is lost; trying again]" in screen


async def test_a_new_question_does_not_show_what_was_there_before(chat):
    async with open_desk(Desk()) as desk:
        desk.streams = [[done("一")], [{"reply": "other", **done("旧")}, done("二")]]
        screen = await chat(desk.url, "1", "2")
    assert desk.resumed == ["0-0", "1-0"]
    assert screen.endswith("一\n\n二\n\n")


async def test_text_that_was_taken_back_is_followed_by_what_holds(chat):
    async with open_desk(Desk()) as desk:
        desk.streams = [
            [delta(0, "您是"), {"type": "retract"}, delta(0, "这个"), done("这个我不能说")],
            [delta(0, "半句"), done("另一句")],
        ]
        screen = await chat(desk.url, "1", "2")
    assert screen.endswith("您是\n…\n这个我不能说\n\n半句\n…\n另一句\n\n")


async def test_an_answer_cannot_steer_the_terminal(chat):
    async with open_desk(Desk()) as desk:
        desk.hello = {"name": "小\x1b[31mQ", "greeting": {"en": "Hi\x07"}}
        sources = {"title": "退\x9b货", "path": "a\r"}
        desk.streams = [[delta(0, "清\x1b[2J"), done("清\x1b[2J屏", sources)]]
        screen = await chat(desk.url, "1")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", screen)


async def test_a_refused_message_is_explained_and_the_talk_goes_on(chat):
    async with open_desk(Desk()) as desk:
        desk.post_answers = [(413, {"error": "Too Large"}), (400, {"error": "Bad"}), (202, {})]
        desk.streams = [[done("好")]]
        screen = await chat(desk.url, "很长", "坏", "好吗")
    assert "[the message is too long]\n[the server answered 400]\n好\n" in screen


async def test_a_busy_servers_own_words_are_shown_and_the_message_sent_again(chat):
    async with open_desk(Desk()) as desk:
        desk.post_answers = [(429, {"text": "现在很忙"}), (503, {"error": "x"}), (202, {})]
        desk.streams = [[done("好")]]
        screen = await chat(desk.url, "在吗")
    assert "[现在很忙; trying again]" in screen
    assert screen.endswith("好\n\n")
    assert len({post["id"] for post in desk.posts}) == 1
    assert len(desk.posts) == 3


async def test_a_server_that_comes_back_gets_the_message_once_more(chat):
    port = free_port()
    async with asyncio.TaskGroup() as group:
        async with open_desk(Desk(), port) as desk:
            desk.post_answers = [(503, {})]
            talk = group.create_task(chat(desk.url, "在吗"))
            async with asyncio.timeout(60):
                while not desk.posts:
                    await asyncio.sleep(0.01)
        desk.streams = [[done("好")]]
        async with open_desk(desk, port):
            await talk
    assert talk.result().endswith("好\n\n")
    assert desk.posts[0] == desk.posts[-1]


async def test_a_server_that_stays_away_ends_the_talk_with_a_clear_line(chat, capsys):
    port = free_port()
    desk = Desk()

    async def go_away(request: web.Request) -> web.StreamResponse:
        group.create_task(runner.cleanup())
        return web.json_response({}, status=202)

    app = web.Application()
    app.router.add_get("/web/main/hello", desk.greet)
    app.router.add_post("/web/main/messages", go_away)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with asyncio.TaskGroup() as group:
        with pytest.raises(ServerGoneError, match=r"the server is gone; start it again"):
            await chat(f"http://127.0.0.1:{port}", "在吗", patience=0.6)
    assert capsys.readouterr().out.count("trying again") == 1


async def test_a_conversation_the_server_has_forgotten_ends_with_a_clear_line(chat):
    async with open_desk(Desk()) as desk:
        desk.stream_status = 401
        with pytest.raises(ServerGoneError, match="forgotten"):
            await chat(desk.url, "在吗")


async def test_colours_are_for_terminals_alone(chat):
    async with open_desk(Desk()) as desk:
        assert "\x1b" not in await chat(desk.url)


@pytest.mark.parametrize("code", ["C.UTF-8", "xx_XX.UTF-8"])
async def test_a_person_gets_a_prompt_and_colours_and_leaves_with_ctrl_c(tmp_path, code):
    env = environment(tmp_path) | {"LC_ALL": code, "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    screen, keyboard = os.openpty()
    async with open_desk(Desk()) as desk:
        desk.streams = [[done("好")]]
        command = (sys.executable, "-m", "bots", "chat", "--url", desk.url)
        process = await asyncio.create_subprocess_exec(
            *command, env=env, cwd=tmp_path, stdin=keyboard, stdout=keyboard, stderr=keyboard
        )
        os.close(keyboard)
        try:
            async with asyncio.timeout(60):
                first = await read_until(screen, "> ")
                os.write(screen, "在吗\n".encode())
                answer = await read_until(screen, "> ")
                # Again, for readline misses a signal that comes just before it waits for a key;
                # but not soon, for one that comes while Python shuts down kills it.
                while process.returncode is None:
                    process.send_signal(signal.SIGINT)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(screen)
    assert process.returncode == 130
    assert "\x1b[1m小Q" in first
    assert "好" in answer
    assert [post["text"] for post in desk.posts] == ["在吗"]


async def read_until(terminal: int, words: str) -> str:
    seen = b""
    while words not in seen.decode(errors="ignore"):
        seen += await asyncio.to_thread(os.read, terminal, 10_000)
    return seen.decode()
