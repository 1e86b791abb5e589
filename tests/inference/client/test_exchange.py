"""One request to one endpoint: its end, its deadlines, what it carries and what it hides."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from hashlib import blake2b

import pytest
from aiohttp import web
from peers.client import PROMPT, QUESTION, connect, prompt_for
from peers.model import (
    Behaviour,
    Body,
    ModelPeer,
    Part,
    answer,
    answer_text,
    chunk,
    drop,
    hang,
    status,
    stream,
    whole,
)
from structlog.testing import capture_logs

from inference.client.chat import SESSION_HEADER, Chunk, Finish
from inference.client.errors import (
    BrokenAnswerError,
    InferenceError,
    ModelBusyError,
    ModelTimeoutError,
    ModelUnavailableError,
)

ANSWER = answer_text(QUESTION)


async def test_closing_the_stream_ends_the_request(peer: ModelPeer) -> None:
    peer.script(stream(chunk("一"), end="hang"))
    async with connect(peer) as client:
        events = client.stream(PROMPT)
        assert await anext(events) == Chunk("一")
        await events.aclose()
        assert client.endpoints[0].in_flight == 0
        await peer.until(lambda: peer.disconnects == 1, seconds=1)


async def test_a_server_can_tell_conversations_apart_and_not_whose_they_are(
    peer: ModelPeer,
) -> None:
    async with connect(peer) as client:
        for session in ("telegram:42", "telegram:42", "telegram:43"):
            await client.complete(replace(PROMPT, session=session))
    one, again, other = (headers[SESSION_HEADER] for headers in peer.headers)
    assert one == again != other
    assert "telegram" not in one
    assert one != blake2b(b"telegram:42", digest_size=16).hexdigest()


async def test_an_adapter_is_asked_for_only_where_the_server_has_it(peer: ModelPeer) -> None:
    tuned = replace(PROMPT, adapter="repairs")
    async with connect(peer, endpoint={"adapters": ["repairs"]}) as client:
        await client.complete(tuned)
        await client.complete(PROMPT)
    async with connect(peer) as client:
        await client.complete(tuned)
    assert [body["model"] for body in peer.bodies] == ["qwen:repairs", "qwen", "qwen"]


@pytest.mark.parametrize("fault", [hang(), stream(end="hang"), stream(chunk("一"), end="hang")])
async def test_cancelling_the_reader_ends_the_request(peer: ModelPeer, fault: Behaviour) -> None:
    peer.script(fault)
    async with connect(peer) as client:
        reader = asyncio.create_task(client.complete(PROMPT))
        await peer.until(lambda: peer.open == 1)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert client.endpoints[0].in_flight == 0
        assert client.available
        await peer.until(lambda: peer.disconnects == 1, seconds=1)


async def test_leaving_the_queue_sends_nothing(peer: ModelPeer) -> None:
    peer.script(hang())
    async with connect(peer, endpoint={"concurrency": 1}) as client:
        first = asyncio.create_task(client.complete(PROMPT))
        await peer.until(lambda: peer.open == 1)
        second = asyncio.create_task(client.complete(PROMPT))
        await asyncio.sleep(0)
        assert client.endpoints[0].waiting == 1
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert (client.endpoints[0].waiting, client.endpoints[0].in_flight) == (0, 0)
    assert len(peer.bodies) == 1


async def test_the_place_is_free_when_the_finish_is_told(peer: ModelPeer) -> None:
    async with connect(peer) as client, aclosing(client.stream(PROMPT)) as events:
        async for event in events:
            assert client.endpoints[0].in_flight == (not isinstance(event, Finish))


async def test_requests_beyond_the_places_wait_their_turn(peer: ModelPeer) -> None:
    peer.default = answer(delay=0.002)
    async with connect(peer, endpoint={"concurrency": 2}) as client:
        answers = await asyncio.gather(*[client.complete(PROMPT) for _ in range(12)])
    assert answers == [ANSWER] * 12
    assert peer.most_open == 2


async def test_a_full_queue_is_busy_at_once(peer: ModelPeer) -> None:
    peer.script(hang())
    async with connect(peer, endpoint={"concurrency": 1, "queue": 0}) as client:
        first = asyncio.create_task(client.complete(PROMPT))
        await peer.until(lambda: peer.open == 1)
        assert client.endpoints[0].state == "busy"
        with pytest.raises(ModelBusyError):
            await client.complete(PROMPT)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await client.complete(PROMPT) == ANSWER


async def test_the_wait_for_a_place_has_a_deadline(peer: ModelPeer) -> None:
    peer.script(hang())
    async with connect(peer, endpoint={"concurrency": 1}, queue_seconds=0.05) as client:
        first = asyncio.create_task(client.complete(PROMPT))
        await peer.until(lambda: peer.open == 1)
        with pytest.raises(ModelBusyError):
            await client.complete(PROMPT)
        first.cancel()


async def test_keep_alives_do_not_put_off_the_first_token(peer: ModelPeer) -> None:
    pings: list[Part] = [b": keep-alive\n\n", chunk(""), 0.02] * 100
    peer.script(stream(*pings))
    begun = time.monotonic()
    async with connect(peer, first_token_seconds=0.2) as client:
        with pytest.raises(ModelTimeoutError):
            await client.complete(PROMPT)
    assert 0.15 < time.monotonic() - begun < 1


async def test_the_first_token_deadline_ends_with_the_first_token(peer: ModelPeer) -> None:
    peer.script(stream(chunk("一"), 0.3, chunk("二", finish="stop")))
    async with connect(peer, first_token_seconds=0.2) as client:
        assert await client.complete(PROMPT) == "一二"


async def test_a_whole_answer_has_a_deadline(peer: ModelPeer) -> None:
    drip: list[Part] = [chunk("一"), 0.02] * 100
    peer.script(stream(*drip), stream(*drip))
    begun = time.monotonic()
    async with connect(peer, total_seconds=0.3) as client:
        async with aclosing(client.stream(PROMPT)) as events:
            for _ in range(4):
                assert await anext(events) == Chunk("一")
        with pytest.raises(ModelTimeoutError):
            await client.complete(PROMPT)
        assert client.available
        await peer.until(lambda: peer.disconnects == 2, seconds=1)
    assert 0.25 < time.monotonic() - begun < 1


async def test_past_the_deadline_no_further_endpoint_is_asked(
    peer: ModelPeer, other: ModelPeer
) -> None:
    peer.script(hang())
    async with connect(peer, other, total_seconds=0.1) as client:
        with pytest.raises(ModelTimeoutError):
            await client.complete(prompt_for(peer, other))
        assert client.endpoints[1].state == "unknown"
    assert not other.bodies


async def test_a_slow_reader_is_not_interrupted_by_the_deadline(peer: ModelPeer) -> None:
    seen = asyncio.Event()
    peer.script(stream(chunk("一"), seen, chunk("二", finish="stop"), end="hang"))
    async with (
        connect(peer, total_seconds=0.1) as client,
        aclosing(client.stream(PROMPT)) as events,
    ):
        assert await anext(events) == Chunk("一")
        await asyncio.sleep(0.2)
        with pytest.raises(ModelTimeoutError):
            await anext(events)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("usage", [True, False])
async def test_connections_are_used_again(peer: ModelPeer, done: bool, usage: bool) -> None:
    ports = set()

    async def note_port(request: web.Request, body: Body) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return await answer(done=done, usage=usage)(request, body)

    peer.default = note_port
    async with connect(peer) as client:
        for _ in range(5):
            assert await client.complete(PROMPT) == ANSWER
    assert len(ports) == 1


async def test_one_object_instead_of_a_stream_is_an_answer(peer: ModelPeer) -> None:
    peer.script(whole())
    async with connect(peer) as client, aclosing(client.stream(PROMPT)) as events:
        assert [event async for event in events] == [Chunk(ANSWER), Finish("stop", 7, 4)]


async def test_usage_that_comes_after_the_end_is_told(peer: ModelPeer) -> None:
    go_on = asyncio.Event()
    usage = chunk(usage={"prompt_tokens": 3, "completion_tokens": 1})
    peer.script(stream(chunk("一", finish="stop"), go_on, usage))
    async with connect(peer) as client, aclosing(client.stream(PROMPT)) as events:
        assert await anext(events) == Chunk("一")
        go_on.set()
        assert await anext(events) == Finish("stop", 3, 1)


async def test_redirects_are_not_followed(peer: ModelPeer, other: ModelPeer) -> None:
    peer.script(status(307, {"Location": f"{other.url}/chat/completions"}))
    async with connect(peer) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
    assert not other.bodies


async def test_an_answer_that_is_complete_does_not_wait_for_a_server_that_forgets_to_end(
    peer: ModelPeer,
) -> None:
    peer.script(stream(chunk("一", finish="stop"), end="hang"))
    async with connect(peer) as client:
        async with asyncio.timeout(3):
            assert await client.complete(PROMPT) == "一"


async def test_keys_are_sent_as_the_server_wants_them(peer: ModelPeer) -> None:
    async with connect(peer, endpoint={"api_key": " hush\n"}) as client:
        await client.complete(PROMPT)
    async with connect(peer.url.replace("//", "//me:p%40ss@")) as client:
        await client.complete(PROMPT)
    async with connect(peer) as client:
        await client.complete(PROMPT)
    assert [headers.get("Authorization") for headers in peer.headers] == [
        "Bearer hush",
        "Basic bWU6cEBzcw==",
        None,
    ]


async def test_no_cookie_and_no_proxy_comes_between(
    peer: ModelPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    peer.script(status(429, {"Set-Cookie": "a=b", "Retry-After": "0"}))
    async with connect(peer) as client:
        with pytest.raises(ModelBusyError):
            await client.complete(PROMPT)
        assert await client.complete(PROMPT) == ANSWER
    assert all("Cookie" not in headers for headers in peer.headers)


async def test_neither_logs_nor_errors_tell_secrets_or_texts(peer: ModelPeer) -> None:
    url = peer.url.replace("//", "//me:pa55@") + "?token=t0ken"
    faults = [status(code) for code in (400, 401, 404, 429, 500)]
    faults += [drop(), stream(b"data: {" + QUESTION.encode() + b"\n\n")]
    faults += [stream(chunk(QUESTION), 0.05, end="cut"), stream(b"data: zzz" + b"x" * 2_000_000)]
    told = ""
    with capture_logs() as logs:
        for fault in faults:
            peer.script(fault, fault)
            async with connect(url, endpoint={"api_key": "hu5h"}) as client:
                with pytest.raises(InferenceError) as caught:
                    await client.complete(PROMPT)
                told += f"{caught.value!r} {client.endpoints}"
            peer._script.clear()
    assert len(logs) >= len(faults)
    for secret in ("pa55", "t0ken", "hu5h", QUESTION):
        assert secret not in f"{logs} {told}"


@pytest.mark.parametrize(
    ("code", "level", "check"),
    [(401, "error", "api_key"), (404, "error", "url"), (400, "warning", "model")],
)
async def test_what_a_setting_could_mend_is_logged_with_what_to_check(
    peer: ModelPeer, code: int, level: str, check: str
) -> None:
    peer.script(status(code), status(code))
    async with connect(peer) as client:
        with capture_logs() as logs, pytest.raises(InferenceError):
            await client.complete(PROMPT)
    (log,) = logs
    assert log["log_level"] == level
    assert log["setting"] == "XIAOQ_INFERENCE__ENDPOINTS"
    assert log["check"].startswith(check)
    assert log["status"] == code


async def test_a_broken_answer_is_logged(peer: ModelPeer) -> None:
    peer.script(stream(chunk("一"), 0.05, end="cut"), stream(chunk("一"), end="hang"))
    async with connect(peer, total_seconds=0.2) as client:
        with capture_logs() as logs:
            with pytest.raises(BrokenAnswerError):
                await client.complete(PROMPT)
            with pytest.raises(ModelTimeoutError):
                await client.complete(PROMPT)
    assert [log["event"] for log in logs] == ["answer broke off"] * 2
