import asyncio
import time

import pytest
from aiohttp import web
from peers.client import PROMPT, Clock, connect
from peers.model import ModelPeer, Tokenizer, status

from inference.client.counting import AFTER_FAILURE_SECONDS, ASK_AGAIN_SECONDS, REMEMBERED_TEXTS
from inference.client.errors import ModelUnavailableError
from inference.client.tokens import estimate_tokens

TEXT = "请问 how are you"
"""Its estimate is not its length, which is what the peer counts."""


@pytest.mark.parametrize("tokenizer", ["vllm", "llama.cpp"])
async def test_the_endpoint_counts_in_its_dialect(peer: ModelPeer, tokenizer: Tokenizer) -> None:
    peer.tokenizer = tokenizer
    async with connect(peer) as client:
        for text in ("a", TEXT, "三个字"):
            assert await client.count_tokens(text) == len(text)
    tried = [set(body) for body in peer.counted]
    vllm, llama = {"model", "prompt"}, {"content"}
    assert tried == ([vllm] * 3 if tokenizer == "vllm" else [vllm, llama, llama, llama])


async def test_without_a_tokenizer_the_count_is_estimated(peer: ModelPeer) -> None:
    clock = Clock()
    async with connect(peer, clock=clock) as client:
        assert await client.count_tokens(TEXT) == estimate_tokens(TEXT) != len(TEXT)
        clock.now += ASK_AGAIN_SECONDS - 1
        await client.count_tokens("other")
        assert len(peer.counted) == 2
        peer.tokenizer = "vllm"
        clock.now += 1
        assert await client.count_tokens(TEXT) == len(TEXT)


async def test_without_an_endpoint_the_count_is_estimated() -> None:
    async with connect() as client:
        assert await client.count_tokens(TEXT) == estimate_tokens(TEXT)


async def test_a_count_is_at_hand_unless_an_endpoint_may_have_to_be_asked(peer: ModelPeer) -> None:
    async with connect() as client:
        assert client.tokens_at_hand(TEXT) == estimate_tokens(TEXT)
    clock = Clock()
    async with connect(peer, clock=clock) as client:
        assert client.tokens_at_hand(TEXT) is None
        await client.count_tokens(TEXT)
        assert client.tokens_at_hand(TEXT) == estimate_tokens(TEXT)
        clock.now += ASK_AGAIN_SECONDS
        assert client.tokens_at_hand(TEXT) is None
        peer.tokenizer = "vllm"
        await client.count_tokens(TEXT)
        assert client.tokens_at_hand(TEXT) == len(TEXT)
        assert client.tokens_at_hand("other") is None
        assert client.tokens_at_hand("") == 0


async def test_nothing_is_nothing(peer: ModelPeer) -> None:
    async with connect(peer) as client:
        assert await client.count_tokens("") == 0
    assert not peer.counted


async def test_a_text_is_counted_once(peer: ModelPeer) -> None:
    peer.tokenizer = "vllm"
    async with connect(peer) as client:
        for _ in range(3):
            await client.count_tokens(TEXT)
        assert len(peer.counted) == 1
        for number in range(REMEMBERED_TEXTS):
            await client.count_tokens(str(number))
        await client.count_tokens(TEXT)
    assert len(peer.counted) == REMEMBERED_TEXTS + 2


async def test_the_next_endpoint_counts_where_the_first_does_not(
    peer: ModelPeer, other: ModelPeer
) -> None:
    other.tokenizer = "llama.cpp"
    async with connect(peer, other) as client:
        assert await client.count_tokens(TEXT) == len(TEXT)
        assert await client.count_tokens("again") == 5
    assert len(peer.counted) == 2


async def test_an_endpoint_in_back_off_is_not_asked(peer: ModelPeer) -> None:
    peer.tokenizer = "vllm"
    peer.script(status(500))
    async with connect(peer) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
        assert await client.count_tokens(TEXT) == estimate_tokens(TEXT)
    assert not peer.counted


@pytest.mark.parametrize("known", [True, False])
async def test_a_tokenizer_that_hangs_is_waited_for_once(peer: ModelPeer, known: bool) -> None:
    async def hang() -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    clock = Clock()
    peer.tokenizer = "vllm"
    async with connect(peer, clock=clock) as client:
        if known:
            await client.count_tokens("known")
        peer.tokenize_with = hang
        begun = time.monotonic()
        assert await client.count_tokens(TEXT) == estimate_tokens(TEXT)
        assert 1.9 < time.monotonic() - begun < 3
        assert await client.count_tokens(TEXT) == estimate_tokens(TEXT)
        assert time.monotonic() - begun < 3
        peer.tokenize_with = None
        clock.now += AFTER_FAILURE_SECONDS
        assert await client.count_tokens(TEXT) == len(TEXT)


async def test_while_one_text_finds_out_the_dialect_others_are_estimated(peer: ModelPeer) -> None:
    peer.tokenizer = "vllm"
    async with connect(peer) as client:
        counts = await asyncio.gather(*[client.count_tokens(f"{n} {TEXT}") for n in range(5)])
        assert counts == [len(TEXT) + 2] + [estimate_tokens(f"{n} {TEXT}") for n in range(1, 5)]
        assert await client.count_tokens(TEXT) == len(TEXT)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("[]", 200),
        ("{", 200),
        ('{"count": "7"}', 200),
        ("[" * 100_000, 200),
        ("x" * 17_000_000, 200),
        ("", 302),
        ("", 401),
        ("", 503),
    ],
)
async def test_nonsense_is_no_count(peer: ModelPeer, answer: str, code: int) -> None:
    async def say() -> web.StreamResponse:
        return web.Response(text=answer, status=code)

    peer.tokenize_with = say
    async with connect(peer) as client:
        assert await client.count_tokens(TEXT) == estimate_tokens(TEXT)
