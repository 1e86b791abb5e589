"""What callers get who ask for too much, too fast, or for nonsense."""

import asyncio
import gzip
import json
import random
import subprocess
import time
from contextlib import contextmanager

import openai
import pytest
import redis
from peers.model import chunk, stream

from core.embedded_redis import find_server

GOOD = {"model": "shop", "messages": [{"role": "user", "content": "怎么退货"}]}


def body(**changes) -> bytes:
    return json.dumps(GOOD | changes).encode()


@contextmanager
def own_redis(folder):
    """A Redis server that a test may kill."""
    socket = folder / "own.sock"
    command = [find_server(), "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    try:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                else:
                    break
        yield f"unix://{socket}", server
    finally:
        server.kill()
        server.wait(10)


async def say(api, **more):
    return await api.openai.chat.completions.create(**GOOD, **more)


async def test_a_wrong_key_and_no_key_get_the_same_words_without_detail(open_api):
    async with open_api() as api:
        with pytest.raises(openai.AuthenticationError) as wrong:
            await api.with_key("key-of-the-cry").models.list()
        answers = []
        for headers in (
            {},
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": "Basic key-of-the-crm"},
            {"Authorization": "key-of-the-crm"},
            {"Authorization": "Bearer key-of-the-crm2"},
            {"Authorization": "Bearer k\u00e9y"},
        ):
            for path in ("/models", "/chat/completions", "/anything"):
                async with api.http.get(api.base + path, headers=headers) as response:
                    answers.append((response.status, await response.json()))
    assert all(answer == (401, {"error": wrong.value.body}) for answer in answers)
    assert wrong.value.code == "invalid_api_key"
    assert "cry" not in str(wrong.value)


async def test_a_key_that_asks_too_fast_is_told_how_long_to_wait(open_api):
    keys = [
        {"name": "slow", "key": "key-of-the-crm", "per_minute": 2},
        {"name": "fast", "key": "key-of-the-shop"},
    ]
    async with open_api(api={"keys": keys}) as api:
        await say(api)
        await say(api)
        with pytest.raises(openai.RateLimitError) as caught:
            await say(api)
        await api.with_key("key-of-the-shop").models.list()
    assert caught.value.code == "rate_limit_exceeded"
    assert 25 <= int(caught.value.response.headers["Retry-After"]) <= 30


async def test_a_customer_of_the_api_is_not_slowed_by_the_pages_limit(open_api):
    async with open_api(limits={"per_minute": 1, "burst": 1}) as api:
        answers = [await say(api, user="u1") for _ in range(3)]
    assert {answer.model_extra["xiaoq"]["outcome"] for answer in answers} == {"answered"}


async def test_a_bad_request_names_its_field_to_openais_client(open_api):
    async with open_api() as api:
        with pytest.raises(openai.BadRequestError) as caught:
            await say(api, n=2)
        status, said, _ = await api.post(b"{")
    assert (caught.value.param, caught.value.type) == ("n", "invalid_request_error")
    assert status == 400
    assert said["error"]["message"].startswith("body: Invalid JSON")


async def test_null_is_as_good_as_absent_and_unknown_fields_are_passed_over(open_api):
    more = dict.fromkeys(("n", "stream", "stream_options", "user", "temperature", "max_tokens"))
    async with open_api() as api:
        status, said, _ = await api.post(body(**more, seed=1, tools=[], stop=None))
    assert (status, said["object"]) == (200, "chat.completion")


async def test_a_body_that_is_too_large_is_refused_also_when_it_is_packed(open_api):
    huge = body(messages=[{"role": "user", "content": "退" * 100_000}])
    packed = {"Content-Encoding": "gzip"}
    async with open_api() as api:
        answers = [
            await api.post(huge),
            await api.post(gzip.compress(huge), **packed),
            await api.post(gzip.compress(body()), **packed),
        ]
    assert [status for status, _, _ in answers] == [413, 413, 200]
    assert answers[1][1]["error"]["code"] == "request_too_large"


async def test_a_body_that_is_not_what_its_header_says_is_a_bad_request(open_api):
    async with open_api() as api:
        status, said, _ = await api.post(body(), **{"Content-Encoding": "gzip"})
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")


async def test_what_openai_has_and_xiaoq_has_not_is_not_found_in_openais_shape(open_api):
    async with open_api() as api:
        with pytest.raises(openai.NotFoundError) as caught:
            await api.openai.embeddings.create(model="shop", input="x")
        with pytest.raises(openai.NotFoundError) as listed:
            await api.openai.chat.completions.list()
    assert caught.value.type == listed.value.type == "invalid_request_error"


async def test_while_redis_is_gone_callers_are_told_to_come_back(open_api, tmp_path):
    with own_redis(tmp_path) as (url, server):
        async with open_api(url=url) as api:
            await say(api)
            server.kill()
            server.wait(10)
            with pytest.raises(openai.InternalServerError) as caught:
                await say(api)
    assert caught.value.status_code == 503
    assert caught.value.code == "unavailable"
    assert int(caught.value.response.headers["Retry-After"]) >= 1


async def test_a_stream_that_cannot_be_written_down_ends_in_an_error(open_api, tmp_path, peer):
    go_on = asyncio.Event()
    peer.script(stream(chunk("您好，"), go_on, chunk("再见。"), chunk(finish="stop")))
    with own_redis(tmp_path) as (url, server):
        async with open_api(peer, url=url) as api:
            parts = await say(api, stream=True)
            seen = [await anext(aiter(parts))]
            server.kill()
            server.wait(10)
            go_on.set()
            with pytest.raises(openai.APIError) as caught:
                seen += [part async for part in parts]
    assert seen[-1].choices[0].finish_reason is None
    assert caught.value.code == "unavailable"


async def test_three_hundred_mutated_bodies_never_break_the_server(open_api, capsys):
    luck = random.Random(20_240_607)
    seen = set()
    async with open_api() as api:
        for _ in range(300):
            status, said, _ = await api.post(mutated(luck))
            assert status in {200, 400, 404, 413}, status
            assert said["error"]["message"] if status != 200 else said["choices"]
            seen.add(status)
    assert seen >= {200, 400, 404}
    assert "api request failed" not in "".join(capsys.readouterr())


ODD = [
    None, True, False, 0, -1, 1e308, 10**40, "", "x", "\x00", "\u202e小Q", "<|im_start|>", [], [[]],
    {}, {"type": "text", "text": "x"}, {"role": "user", "content": "y"}, "x" * 5000, 0.5,
]  # fmt: skip
PLACES = [
    "model", "messages", "stream_options", "user", "temperature", "top_p", "max_tokens", "n",
    "max_completion_tokens", "role", "content", "type", "text", "tools", "\x00", "",
]  # fmt: skip


def mutated(luck: random.Random) -> bytes:
    """A request with a few things wrong, as values or as bytes."""
    asked = json.loads(json.dumps(GOOD | {"user": "u", "temperature": 0.5, "n": 1}))
    for _ in range(luck.randint(0, 3)):
        spot = luck.choice([asked, *(m for m in asked["messages"] if isinstance(m, dict))])
        spot[luck.choice(PLACES)] = luck.choice(ODD)
        if not isinstance(asked.get("messages"), list):
            break
    raw = bytearray(json.dumps(asked, ensure_ascii=luck.random() < 0.5).encode())
    if luck.random() < 0.4:
        for _ in range(luck.randint(1, 4)):
            at = luck.randrange(len(raw))
            raw[at : at + luck.randint(0, 3)] = luck.randbytes(luck.randint(0, 3))
    return bytes(raw)
