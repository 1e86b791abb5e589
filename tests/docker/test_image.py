"""The image's command as a container runs it: its user, its paths, nothing else to write to."""

import asyncio
import json
import re
import signal
from asyncio.subprocess import PIPE

import aiohttp
import pytest
from company import Visitor, free_port
from images import (
    COMPOSE,
    DOCKER,
    IMAGE,
    USER,
    Image,
    command,
    contained,
    container,
    load_yaml,
    pins,
    tool,
)
from peers.model import chunk, open_peer, stream

SECONDS = 30.0


@pytest.fixture
async def peer():
    async with open_peer() as model:
        yield model


@pytest.fixture
async def visitor():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(session, "")


def use_model(machine, peer) -> None:
    """Name a model server in the secrets, as docker/secrets.sh does."""
    endpoints = machine[1] / "xiaoq_inference__endpoints"
    endpoints.write_text(json.dumps([{"url": peer.url, "model": "peer"}]))
    endpoints.chmod(0o444)


async def probed(machine, base: str) -> int:
    """What the health check of the image makes of a server."""
    port = base.rpartition(":")[2]
    inside = ["env", f"XIAOQ_HTTP__PORT={port}", *IMAGE.probe]
    probe = await asyncio.create_subprocess_exec(*container(IMAGE, *machine, inside), stderr=PIPE)
    async with asyncio.timeout(SECONDS):
        await probe.communicate()
    return int(probe.returncode or 0)


async def test_it_runs_as_nobody_on_a_root_that_cannot_be_written_to(machine, visitor):
    async with contained(machine, command()) as server:
        assert await probed(machine, server.base) == 0
        visitor.base = server.base
        await visitor.hello()
        assert (await visitor.ask("怎么退货？"))["origin"] == "faq"
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    state, _ = machine
    written = list(state.rglob("*"))
    assert written
    assert {path.stat().st_uid for path in written} == {USER}


async def test_a_place_outside_its_state_cannot_be_written_to(machine):
    state, secrets = machine
    places = "/x /srv/xiaoq/x /srv/xiaoq/config/x /opt/venv/x /run/secrets/x"
    inside = [
        "sh",
        "-c",
        f"touch /var/lib/xiaoq/x && for p in {places}; do touch $p && exit 9; done; id -u",
    ]
    process = await asyncio.create_subprocess_exec(
        *container(IMAGE, state, secrets, inside), stdout=PIPE, stderr=PIPE
    )
    out, _ = await process.communicate()
    assert (process.returncode, out.decode().split()) == (0, [str(USER)])


async def test_an_open_answer_is_finished_within_the_grace_of_the_compose_file(
    machine, peer, visitor
):
    use_model(machine, peer)
    go_on = asyncio.Event()
    peer.script(stream(chunk("请稍"), go_on, chunk("等。"), chunk(finish="stop")))
    grace = load_yaml(COMPOSE)["services"]["xiaoq"]["stop_grace_period"]
    async with contained(machine, command()) as server:
        visitor.base = server.base
        await visitor.hello()
        _, identity = await visitor.post("在吗")
        await peer.until(lambda: peer.open == 1)
        async with asyncio.timeout(float(grace.removesuffix("s"))), asyncio.TaskGroup() as group:
            answer = group.create_task(visitor.answer_to(identity))
            server.signal(signal.SIGTERM)
            await server.until_said("finishing open turns")
            go_on.set()
        assert await server.ended() == 0
    assert answer.result()["text"] == "请稍等。"


async def test_a_file_of_a_customer_is_read_there(machine, peer, visitor):
    use_model(machine, peer)
    async with contained(machine, command()) as server:
        visitor.base = server.base
        await visitor.hello()
        told = {"Content-Type": "application/octet-stream"}
        url = f"{server.base}/web/main/files?name=order.txt"
        async with visitor.session.post(url, data="订单 4711".encode(), headers=told) as answer:
            assert (answer.status, (await answer.json())["characters"]) == (201, 7)


async def test_one_image_is_gateway_and_worker(machine, visitor):
    async with (
        contained(machine, command("gateway")) as gateway,
        contained(machine, command("worker")) as worker,
    ):
        assert [await probed(machine, each.base) for each in (gateway, worker)] == [0, 0]
        visitor.base = gateway.base
        await visitor.hello()
        assert (await visitor.ask("怎么退货？"))["origin"] == "faq"


async def test_the_health_check_fails_where_nobody_listens(machine):
    assert await probed(machine, f"http://127.0.0.1:{free_port()}") != 0


def test_the_dockerfile_passes_the_linter():
    linted = tool("hadolint", DOCKER / "Dockerfile")
    assert (linted.returncode, linted.stdout) == (0, "")


def test_both_images_have_the_same_user_command_and_health_check():
    other = Image.of("Dockerfile.cuda")
    assert (other.probe, other.listed("ENTRYPOINT"), other.listed("CMD")) == (
        IMAGE.probe,
        IMAGE.listed("ENTRYPOINT"),
        IMAGE.listed("CMD"),
    )
    assert all(f"\nUSER {USER}\n" in image.text for image in (IMAGE, other))
    assert other.environment == IMAGE.environment


def test_versions_are_pinned_and_bases_are_the_operators_choice():
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert "pip install --constraint constraints.txt ." in text
    assert {line for line in text.splitlines() if line.startswith("FROM ")} == {
        "FROM ${PYTHON} AS build",
        "FROM ${PYTHON}",
    }
    assert {"aiohttp", "redis", "slack_bolt", "python-telegram-bot", "wechatpy"} <= set(pins())


def test_all_bytecode_is_in_the_image_that_cannot_write_any():
    """The Debian packages of the other image compile theirs when they are installed."""
    whole = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    build, _, last = whole.rpartition("\nFROM ")
    assert "PYTHONDONTWRITEBYTECODE" not in build
    assert "--no-compile" not in build
    assert re.search(r"^RUN python -m compileall .*stdlib", last, re.MULTILINE)


def test_an_image_holds_only_what_it_is_made_of():
    told = {
        (DOCKER / f"{name}.dockerignore").read_text() for name in ("Dockerfile", "Dockerfile.cuda")
    }
    (lines,) = (text.splitlines() for text in told)
    assert lines[1] == "*"
    sources = ["bots", "core", "inference", "config"]
    files = ["pyproject.toml", "constraints.txt", "README.md", "LICENSE"]
    assert {line[1:] for line in lines if line.startswith("!")} == {*sources, *files}
