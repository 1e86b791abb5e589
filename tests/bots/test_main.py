"""The command `xiaoq` as a process: what it says, how it ends, what survives it."""

import asyncio
import json
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest
from command import environment, redis_servers, started, xiaoq
from company import Visitor, found_company, write_persona
from peers.model import chunk, hang, open_peer, stream

RETURNS = "七天内可以退货，请在订单页申请。"


@pytest.fixture
def company(tmp_path):
    return found_company(tmp_path)


@pytest.fixture
async def peer():
    async with open_peer() as model:
        yield model


@pytest.fixture
async def visitor():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(session, "")


def endpoints(peer) -> str:
    return json.dumps([{"url": peer.url, "model": "peer"}])


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def test_a_start_loads_nothing_that_only_others_need():
    rarely = "{'rich', 'pygments', 'telegram', 'slack_bolt', 'wechatpy', 'docx', 'torch'}"
    loaded = f"import sys, bots.app, bots.__main__; print(*{rarely} & sys.modules.keys())"
    command = [sys.executable, "-c", loaded]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("\n", "")


async def test_the_first_screen_says_where_it_is_and_what_would_switch_the_rest_on(company):
    write_persona(company, "repairs", "小修", '"web:repairs"')
    env = environment(company)
    async with started(env=env) as server:
        lines = [line.split() for line in server.screen.splitlines()]
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert ["Chat", "page", f"{server.base}/"] in lines
    assert [f"{server.base}/chat/repairs", "小修"] in lines
    assert ["State", f"{server.base}/ready"] in lines
    assert ["●", "Redis", "embedded,", "data", "in", "state/redis"] in lines
    assert [line[-2:] for line in lines if line[:1] == ["○"] and "→" in line[-2:]] == [
        ["→", "XIAOQ_INFERENCE__ENDPOINTS"],
        ["→", "XIAOQ_TELEGRAM__TOKEN"],
        ["→", "XIAOQ_SLACK__BOT_TOKEN"],
        ["→", "XIAOQ_WECOM__KF_SECRET"],
        ["→", "XIAOQ_API__KEYS"],
    ]


async def test_ctrl_c_stops_everything_its_redis_too(company):
    async with started(env=environment(company)) as server:
        assert len(redis_servers(company)) == 1
        server.signal(signal.SIGINT)
        assert await server.ended() == 0
        assert redis_servers(company) == []


async def test_an_answer_that_was_begun_is_finished_before_the_end(company, peer, visitor):
    go_on = asyncio.Event()
    peer.script(stream(chunk("请稍"), go_on, chunk("等。"), chunk(finish="stop")))
    env = environment(company, inference__endpoints=endpoints(peer))
    async with started(env=env) as server:
        visitor.base = server.base
        await visitor.hello()
        _, identity = await visitor.post("在吗")
        await peer.until(lambda: peer.open == 1)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            answer = group.create_task(visitor.answer_to(identity))
            server.signal(signal.SIGTERM)
            await server.until_said("finishing open turns")
            go_on.set()
        assert await server.ended() == 0
    assert answer.result()["text"] == "请稍等。"


async def test_asking_twice_to_stop_does_not_wait_for_answers(company, peer, visitor):
    peer.script(hang())
    env = environment(company, inference__endpoints=endpoints(peer))
    async with started(env=env) as server:
        visitor.base = server.base
        await visitor.hello()
        await visitor.post("在吗")
        await peer.until(lambda: peer.open == 1)
        server.signal(signal.SIGINT)
        await server.until_said("finishing open turns")
        server.signal(signal.SIGINT)
        assert await server.ended() == 130
    assert redis_servers(company) == []


async def test_what_was_accepted_is_answered_after_a_kill_and_a_restart(company, peer, visitor):
    peer.default = hang()
    env = environment(company, inference__endpoints=endpoints(peer))
    async with started(env=env) as server:
        visitor.base = server.base
        await visitor.hello()
        _, first = await visitor.post("怎么退货")
        await peer.until(lambda: peer.open == 1)
        server.signal(signal.SIGKILL)
        await server.process.wait()
        # The embedded Redis outlives a kill; the next start takes it over.
        env = environment(company, http__port=env["XIAOQ_HTTP__PORT"])
        async with started(env=env) as again, asyncio.timeout(60):
            answer = await visitor.answer_to(first)
            again.signal(signal.SIGINT)
            assert await again.ended() == 0
    assert answer["text"].strip() == RETURNS


async def test_a_port_that_is_taken_is_said_in_one_line(company):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = await xiaoq("run", env=environment(company, http__port=port, log__level="error"))
    assert (ended.code, ended.out) == (1, "")
    assert one_line(ended.err).startswith(f"XIAOQ_HTTP__PORT: 127.0.0.1:{port} ")
    assert redis_servers(company) == []


async def test_a_wrong_setting_is_said_in_one_line(company):
    wrong = {
        "HTTP__PROT": "8080",
        "STATE_DIR": "/proc/state",
        "REDIS__URL": "redis://127.0.0.1:1",
    }
    runs = [
        xiaoq("run", env=environment(company, log__level="error", **{name: value}))
        for name, value in wrong.items()
    ]
    for name, ended in zip(wrong, await asyncio.gather(*runs), strict=True):
        assert (ended.code, ended.out) == (1, "")
        assert one_line(ended.err).startswith(f"XIAOQ_{name}: ")


async def test_a_broken_persona_stops_the_start_with_its_line(company):
    path = write_persona(company, "repairs", "小修", "repairs")
    path.write_text(path.read_text().replace("300", "lots"))
    ended = await xiaoq("run", env=environment(company, log__level="error"))
    assert (ended.code, ended.out) == (1, "")
    assert one_line(ended.err).startswith("personas/repairs.yaml:")
    assert redis_servers(company) == []


async def test_good_personas_pass_the_check_in_a_terminal_without_chinese_too(company):
    write_persona(company, "repairs", "Ann", "repairs")
    env = environment(company) | {"PYTHONIOENCODING": "latin-1"}
    ended = await xiaoq("persona", "check", env=env)
    assert (ended.code, ended.err) == (0, "")
    first, second = ended.out.splitlines()
    assert first.startswith("personas/repairs.yaml: good, version ")
    assert first.endswith(", Ann: repairs")
    assert second.endswith(", ?Q: *")


async def test_every_problem_of_the_personas_is_named_with_its_line(company):
    path = write_persona(company, "repairs", "小修", "repairs")
    text = path.read_text().replace("300", "lots").replace("polite", "").replace("[abuse]", "[ab]")
    path.write_text(text)
    ended = await xiaoq("persona", "check", env=environment(company))
    assert (ended.code, ended.out) == (1, "")
    places = [line.split(": ")[0] for line in ended.err.splitlines()]
    numbers = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.startswith("tone") or "lots" in line
    ]
    assert places == [f"personas/repairs.yaml:{number}" for number in numbers]


async def test_a_worker_has_no_page_and_a_gateway_has(company, redis_url):
    worker, gateway = (environment(company, redis__url=redis_url) for _ in range(2))
    async with (
        started("--role", "worker", env=worker) as back,
        started("--role", "gateway", env=gateway) as door,
        aiohttp.ClientSession() as http,
    ):
        codes = [(await http.get(f"{each.base}/")).status for each in (back, door)]
        for each in (back, door):
            each.signal(signal.SIGTERM)
            assert await each.ended() == 0
    assert codes == [404, 200]
    assert "Chat page" not in back.screen
    assert "Chat page" in door.screen


async def test_a_role_that_does_not_exist_is_refused(company):
    ended = await xiaoq("run", "--role", "boss", env=environment(company))
    assert ended.code == 2
    assert "boss" in ended.err
