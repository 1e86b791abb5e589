"""Answers and fail-over, against the scripted peer."""

import asyncio
from contextlib import aclosing

import pytest
from peers.client import PROMPT, QUESTION, connect, prompt_for
from peers.model import (
    DONE,
    Behaviour,
    End,
    ModelPeer,
    answer,
    answer_text,
    chunk,
    drop,
    hang,
    status,
    stream,
)

from inference.client.chat import Chunk, Finish
from inference.client.errors import (
    BrokenAnswerError,
    ModelBusyError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from inference.client.model_client import ModelClient

ANSWER = answer_text(QUESTION)
NOBODY = "http://127.0.0.1:9/v1"
"""Nothing listens on the discard port."""

FAULTS: list[tuple[Behaviour, type[Exception], str, str]] = [
    (status(500), ModelUnavailableError, "down", "error"),
    (status(408), ModelUnavailableError, "down", "error"),
    (status(503), ModelUnavailableError, "down", "error"),
    (status(503, {"Retry-After": "7"}), ModelBusyError, "busy", "busy"),
    (status(429), ModelBusyError, "busy", "busy"),
    (status(429, {"Retry-After": "7"}), ModelBusyError, "busy", "busy"),
    (status(400), ModelUnavailableError, "up", "refused"),
    (status(413), ModelUnavailableError, "up", "refused"),
    (status(422), ModelUnavailableError, "up", "refused"),
    (status(401), ModelUnavailableError, "down", "misconfigured"),
    (status(403), ModelUnavailableError, "down", "misconfigured"),
    (status(404), ModelUnavailableError, "down", "misconfigured"),
    (status(307, {"Location": "/v1/elsewhere"}), ModelUnavailableError, "down", "misconfigured"),
    (drop(), ModelUnavailableError, "down", "unreachable"),
    (hang(), ModelTimeoutError, "down", "timeout"),
    (stream(b": keep-alive\n\n", end="hang"), ModelTimeoutError, "down", "timeout"),
    (stream(chunk("", role="assistant"), end="hang"), ModelTimeoutError, "down", "timeout"),
    (stream(chunk(reasoning_content="hm"), end="hang"), ModelTimeoutError, "down", "timeout"),
    (stream(), ModelUnavailableError, "down", "error"),
    (stream(end="cut"), ModelUnavailableError, "down", "error"),
    (stream(chunk("", role="assistant"), end="cut"), ModelUnavailableError, "down", "error"),
    (stream(b"data: {oops\n\n", end="hang"), ModelUnavailableError, "down", "error"),
    (stream(b"data: " + b"x" * 2_000_000, end="hang"), ModelUnavailableError, "down", "error"),
    (stream(b"<html>", content_type="text/html"), ModelUnavailableError, "down", "error"),
    (stream(b"{", content_type="application/json"), ModelUnavailableError, "down", "error"),
    (stream(b'data: {"error":{"code":500}}\n\n'), ModelUnavailableError, "down", "error"),
    (stream(b'data: {"error":{"code":400}}\n\n'), ModelUnavailableError, "up", "refused"),
]
BREAKS: list[tuple[list[bytes], End]] = [
    ([], "cut"),
    ([], "close"),
    ([b"data: {oops\n\n"], "hang"),
    ([b'data: {"error":{"message":"oom"}}\n\n'], "hang"),
    ([b"data: " + b"x" * 2_000_000], "hang"),
    ([chunk(finish="abort")], "hang"),
]


async def listen(client: ModelClient) -> list[Chunk | Finish]:
    async with aclosing(client.stream(PROMPT)) as events:
        return [event async for event in events]


async def test_an_answer_is_streamed_to_its_finish(peer: ModelPeer) -> None:
    async with connect(peer) as client:
        *chunks, finish = await listen(client)
        assert finish == Finish("stop", 7, 4)
        assert "".join([c.text for c in chunks if isinstance(c, Chunk)]) == ANSWER
        assert await client.complete(PROMPT) == ANSWER
        assert client.endpoints[0].state == "up"
        assert client.endpoints[0].in_flight == 0
    assert peer.bodies[0]["model"] == "qwen"
    assert peer.bodies[0]["max_tokens"] == 512


async def test_chunks_come_as_they_are_written(peer: ModelPeer) -> None:
    go_on = asyncio.Event()
    peer.script(stream(chunk("一"), go_on, chunk("二", finish="stop"), DONE))
    async with connect(peer) as client, aclosing(client.stream(PROMPT)) as events:
        assert await anext(events) == Chunk("一")
        go_on.set()
        assert await anext(events) == Chunk("二")
        assert await anext(events) == Finish("stop")


async def test_an_empty_answer_is_an_answer(peer: ModelPeer) -> None:
    peer.script(stream(chunk("", role="assistant"), chunk(finish="stop"), DONE))
    async with connect(peer) as client:
        assert await listen(client) == [Finish("stop")]


async def test_no_endpoint_is_a_mode() -> None:
    async with connect() as client:
        assert not client.configured
        assert not client.available
        assert client.endpoints == ()
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)


@pytest.mark.parametrize(("fault", "error", "state", "last_error"), FAULTS)
async def test_a_fault_of_the_only_endpoint_is_told(
    peer: ModelPeer, fault: Behaviour, error: type[Exception], state: str, last_error: str
) -> None:
    peer.script(fault, fault)
    async with connect(peer, first_token_seconds=0.2) as client:
        with pytest.raises(error):
            await client.complete(PROMPT)
        (seen,) = client.endpoints
        assert (seen.state, seen.last_error) == (state, last_error)
        assert seen.in_flight == 0
        assert client.available == (state == "up")
        await peer.until(lambda: peer.open == 0)


@pytest.mark.parametrize("fault", [fault for fault, *_ in FAULTS])
async def test_before_the_first_text_the_next_endpoint_answers(
    peer: ModelPeer, other: ModelPeer, fault: Behaviour
) -> None:
    peer.script(fault, fault)
    async with connect(peer, other, first_token_seconds=0.2) as client:
        assert await client.complete(prompt_for(peer, other)) == ANSWER
    assert len(other.bodies) == 1


async def test_an_endpoint_where_nobody_listens_is_passed_over(peer: ModelPeer) -> None:
    async with connect(NOBODY, peer) as client:
        for _ in range(4):
            assert await client.complete(PROMPT) == ANSWER
    async with connect(NOBODY) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
        assert client.endpoints[0].last_error == "unreachable"


@pytest.mark.parametrize(("tail", "end"), BREAKS)
async def test_after_the_first_text_no_other_endpoint_is_asked(
    peer: ModelPeer, other: ModelPeer, tail: list[bytes], end: End
) -> None:
    seen = asyncio.Event()
    peer.script(stream(chunk("一"), seen, *tail, end=end))
    async with connect(peer, other) as client:
        async with aclosing(client.stream(prompt_for(peer, other))) as events:
            assert await anext(events) == Chunk("一")
            seen.set()
            with pytest.raises(BrokenAnswerError):
                await anext(events)
        assert {endpoint.in_flight for endpoint in client.endpoints} == {0}
        assert client.available
    assert not other.bodies


async def test_a_break_after_the_finish_reason_harms_nothing(peer: ModelPeer) -> None:
    seen = asyncio.Event()
    for tail, end in BREAKS:
        peer.script(stream(chunk("一", finish="stop"), seen, *tail, end=end))
    async with connect(peer) as client:
        for _ in BREAKS[:3]:
            seen.clear()
            async with aclosing(client.stream(PROMPT)) as events:
                assert await anext(events) == Chunk("一")
                seen.set()
                assert await anext(events) == Finish("stop")


async def test_a_request_that_meets_a_closing_connection_is_sent_again(peer: ModelPeer) -> None:
    peer.script(answer(), drop(), answer())
    async with connect(peer) as client:
        assert await client.complete(PROMPT) == ANSWER
        assert await client.complete(PROMPT) == ANSWER
        assert client.endpoints[0].state == "up"
    assert len(peer.bodies) == 3


async def test_optional_fields_a_server_refuses_are_left_out_from_then_on(peer: ModelPeer) -> None:
    peer.script(status(422))
    async with connect(peer) as client:
        for _ in range(2):
            assert await client.complete(PROMPT) == ANSWER
    assert ["stream_options" in body for body in peer.bodies] == [True, False, False]


async def test_a_refused_prompt_does_not_cost_the_optional_fields(peer: ModelPeer) -> None:
    peer.script(status(400), status(400))
    async with connect(peer) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
        assert await client.complete(PROMPT) == ANSWER
    assert ["stream_options" in body for body in peer.bodies] == [True, False, True]
