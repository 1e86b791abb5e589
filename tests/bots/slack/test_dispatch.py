"""The HTTP door: who may come in, and that nothing gets through or breaks it."""

import asyncio
import copy
import io
import json
import random
from collections import Counter
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from staff import answer_in, finished, nothing_left

from core.embedded_redis import find_server

BODIES = 10_000
"""Other ones in every run."""


async def test_the_url_is_verified(office, peer, bot):
    async with office.open(bot):
        assert await peer.verify_url()


async def test_what_is_not_signed_by_slack_now_is_refused_and_forgotten(office, peer, bot):
    payload = peer.wrap(peer.write("怎么退货"), bot)
    async with office.open(bot) as house:
        tries = [
            await peer.forge(payload, secret="wrong"),
            await peer.forge(payload, age=301),
            await peer.forge(payload, age=-302),
            await peer.forge(payload, signature="v0=" + "0" * 64),
            await peer.forge(payload, signature=""),
            await peer.forge(payload, mutate=lambda raw: raw.replace(b"U1", b"U2")),
            await peer.forge(payload, mutate=lambda raw: raw[:-1]),
            await peer.forge(payload, mutate=lambda raw: b"\xff" + raw),
            await peer.forge(payload, drop=("X-Slack-Signature",)),
            await peer.forge(payload, drop=("X-Slack-Request-Timestamp",)),
            await peer.forge({"ssl_check": "1"}, kind="slash_commands", secret="wrong"),
        ]
        assert (await house.inbox.depth())[0] == 0
    assert [attempt.status for attempt in tries] == [401] * len(tries)


async def test_a_replayed_request_changes_nothing(office, peer, bot):
    async with office.open(bot) as house:
        delivery = await peer.message("怎么退货")
        await answer_in(peer)
        assert (await peer.replay(delivery)).status == 200
        await nothing_left(house)
    assert len(finished(peer)) == 1


async def test_signed_nonsense_is_a_bad_request(office, peer, bot):
    nonsense = [b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"payload=%7B", b"payload=[]"]
    async with office.open(bot):
        statuses = [(await peer.forge(raw)).status for raw in nonsense]
    assert statuses == [400] * len(nonsense)


async def test_the_longest_message_that_slack_takes_comes_in(office, peer, bot):
    """40,000 characters, escaped and twice: as text and in blocks."""
    text = "退" * 40_000
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    blocks = [{"type": "rich_text", "elements": [section]}]
    raw = json.dumps(peer.wrap(peer.write(text) | {"blocks": blocks}, bot)).encode()
    async with office.open(bot):
        assert (await peer.forge(raw)).status == 200
        await answer_in(peer)
        async with peer.session.post(bot.request_url, data=io.BytesIO(b" " * 1_100_000)) as much:
            assert much.status == 413


async def test_nobody_can_break_it_with_any_body(office, peer, bot):
    """Random bytes, and real payloads of every kind with something in them changed."""
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    samples = await _samples(peer, bot)
    seen: Counter[int | None] = Counter()
    peer.remember = False
    async with office.open(bot):
        for _ in range(BODIES // 50):
            bodies = [_broken(dice, samples) for _ in range(50)]
            tries = await asyncio.gather(*(peer.forge(raw, kind=kind) for kind, raw in bodies))
            seen.update(attempt.status for attempt in tries)
    assert set(seen) <= {200, 400, 401}, (seed, seen)
    assert seen.total() == BODIES


async def test_without_redis_nothing_is_acknowledged(office, peer, bot, redis_url, tmp_path):
    """Slack hears 503 and brings it again."""
    async with _own_redis(tmp_path) as (url, stop, start):
        away = type(office)(office.folder, url, peer)
        peer.retry_delays = (0.0, 0.2, 1.5)
        async with away.open(bot) as house:
            await stop()
            delivery = asyncio.create_task(peer.message("怎么退货"))
            await peer.wait_for(lambda: peer.deliveries and peer.deliveries[0].tries)
            assert peer.deliveries[0].tries[0].status == 503
            await start()
            assert (await delivery).acked
            await answer_in(peer)
            del house
    assert len(finished(peer)) == 1


async def _samples(peer, bot):
    message = peer.write("怎么退货 <@U2> <https://a.example|b>")
    events = [
        message,
        message | {"type": "app_mention"},
        message | {"subtype": "message_changed", "message": message, "previous_message": message},
        message | {"subtype": "message_deleted", "previous_message": message, "deleted_ts": "1.2"},
        message | {"subtype": "file_share", "files": [{"id": "F1", "name": "a", "size": 3}]},
        {"type": "app_home_opened", "user": "U1", "tab": "home"},
        {
            "type": "assistant_thread_started",
            "assistant_thread": {"user_id": "U1", "channel_id": "D1", "thread_ts": "1.2"},
        },
    ]
    wrapped = [("events_api", peer.wrap(event, bot)) for event in events]
    click = peer.click("block_actions", bot, "U1") | {
        "actions": [{"action_id": "xiaoq_up", "value": "x", "type": "button"}]
    }
    shortcut = peer.click("message_action", bot, "U1") | {
        "callback_id": "answer_this",
        "message": message,
        "channel": {"id": "C1"},
        "response_url": "https://evil.example/",
    }
    command = {"command": "/xiaoq", "text": "x", "user_id": "U1", "channel_id": "C1"}
    command |= {"trigger_id": "t", "team_id": "T1", "response_url": "x"}
    clicks = [("interactive", click), ("interactive", shortcut), ("slash_commands", command)]
    return wrapped + clicks


def _broken(dice, samples):
    kind, payload = dice.choice(samples)
    if dice.random() < 0.15:
        return kind, dice.randbytes(dice.randrange(200))
    payload = json.loads(json.dumps(payload))
    for _ in range(dice.randrange(4)):
        _change(dice, payload)
    escaped = json.dumps(payload)
    raw = escaped.encode()
    if kind == "interactive":
        raw = urlencode({"payload": escaped}).encode()
    elif kind == "slash_commands":
        raw = urlencode(payload, errors="replace").encode()
    if dice.random() < 0.15:
        at = dice.randrange(len(raw))
        raw = raw[:at] + dice.randbytes(dice.randrange(4)) + raw[at + dice.randrange(3) :]
    return kind, raw


ODD = [
    None,
    0,
    -1.5,
    True,
    "",
    "x",
    "\ud800",
    "\x00",
    [],
    [[]],
    [None],
    {},
    {"id": 3},
    {"type": []},
]


def _change(dice, value):
    """Put something odd somewhere."""
    while isinstance(value, dict | list) and value:
        key = dice.choice(list(value)) if isinstance(value, dict) else dice.randrange(len(value))
        if dice.random() < 0.4 or not isinstance(value[key], dict | list):
            value[key] = copy.deepcopy(dice.choice(ODD))
            return
        value = value[key]


def _own_redis(folder):
    """A Redis that can be stopped and started again with its data."""
    socket = folder / "own.sock"
    args = [find_server(), "--port", "0", "--unixsocket", socket, "--dir", folder]
    args += ["--appendonly", "yes"]

    @asynccontextmanager
    async def opened():
        server = None

        async def start():
            nonlocal server
            server = await asyncio.create_subprocess_exec(
                *map(str, args), stdout=asyncio.subprocess.DEVNULL
            )
            while not await _answers(socket):
                await asyncio.sleep(0.02)

        async def stop():
            server.terminate()
            await server.wait()

        await start()
        try:
            yield f"unix://{socket}", stop, start
        finally:
            await stop()

    return opened()


async def _answers(socket):
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    writer.write(b"PING\r\n")
    answer = await reader.readline()
    writer.close()
    return answer.startswith(b"+PONG")
