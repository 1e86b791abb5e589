"""The shared connection, against a real Redis."""

import asyncio
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.redis import hear, open_store, run_effects


async def test_everybody_gets_the_reply_to_their_own_command(store):
    async def own(number: int) -> None:
        await store.set(f"k{number}", number)
        assert await store.get(f"k{number}") == str(number)

    await asyncio.gather(*(own(number) for number in range(500)))


async def test_commands_of_one_moment_share_one_connection(store):
    await asyncio.gather(*(store.ping() for _ in range(200)))
    assert len(await store.client_list()) <= 2


async def test_a_wrong_command_fails_alone(store):
    await store.set("text", "x")
    good, bad, also = await asyncio.gather(
        store.get("text"), store.lpush("text", "y"), store.get("text"), return_exceptions=True
    )
    assert (good, also) == ("x", "x")
    assert isinstance(bad, ResponseError)


@pytest.mark.parametrize("value", ["half a character: \ud83d", None])
async def test_what_cannot_be_written_fails_alone_and_shifts_no_replies(store, value):
    await store.mset({"a": "1", "b": "2"})
    async with asyncio.timeout(5):
        one, bad, other = await asyncio.gather(
            store.get("a"),
            run_effects(store, [("SET", "k", value)]),
            store.get("b"),
            return_exceptions=True,
        )
        assert (one, other, await store.get("a")) == ("1", "2", "1")
    assert isinstance(bad, UnicodeEncodeError | TypeError)


async def test_a_reply_that_the_library_shapes_is_shaped(store):
    await store.hset("hash", mapping={"a": "1", "b": "2"})
    assert await store.hgetall("hash") == {"a": "1", "b": "2"}


async def test_one_who_gives_up_waiting_does_not_shift_the_replies(store):
    await store.set("a", "1")
    task = asyncio.ensure_future(store.get("missing"))
    await asyncio.sleep(0)
    task.cancel()
    assert await store.get("a") == "1"
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_connection_that_was_cut_is_opened_again(store, redis_url):
    await store.ping()
    async with open_store(redis_url) as other:
        await other.client_kill_filter(_type="normal", skipme=True)
    async with asyncio.timeout(30):
        while True:
            try:
                assert await store.ping()
                break
            except RedisConnectionError:
                await asyncio.sleep(0.01)


async def test_a_server_that_is_not_there_fails_every_command_at_once(tmp_path):
    async with open_store(f"unix://{tmp_path}/nobody") as nobody, asyncio.timeout(5):
        answers = await asyncio.gather(*(nobody.ping() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(answer, RedisConnectionError) for answer in answers)


async def test_closing_fails_what_still_waits(redis_url):
    async with open_store(redis_url) as store:
        await store.ping()
        waiting = asyncio.ensure_future(store.execute_command("BLPOP", "nothing", "0"))
        await asyncio.sleep(0.05)
    with pytest.raises(RedisConnectionError):
        await waiting


async def test_closing_right_after_a_reply_does_not_hang(redis_url):
    for _ in range(300):
        async with asyncio.timeout(30), open_store(redis_url) as store:
            await store.ping()


async def test_a_server_that_owes_a_reply_for_too_long_is_given_up(redis_url, store, monkeypatch):
    monkeypatch.setattr("core.wire.SILENCE_SECONDS", 0.2)
    async with open_store(redis_url) as patient, open_store(redis_url) as other:
        await patient.ping()
        await other.execute_command("CLIENT", "PAUSE", "700", "ALL")
        with pytest.raises(RedisTimeoutError):
            await patient.get("anything")
        async with asyncio.timeout(5):
            assert await patient.ping()


async def test_a_listener_hears_what_is_published_and_ends_with_its_connection(store, redis_url):
    said, opened = asyncio.Queue(), asyncio.Event()
    async with open_store(redis_url) as other:
        listening = asyncio.ensure_future(hear(other, ["a", "b"], said.put_nowait, opened.set))
        async with asyncio.timeout(30):
            await opened.wait()
            await store.publish("b", "好")
            assert await said.get() == "好"
            await store.client_kill_filter(_type="pubsub")
            with pytest.raises(RedisConnectionError):
                await listening


async def test_a_listener_without_a_server_says_so(tmp_path):
    async with open_store(f"unix://{tmp_path}/nobody") as nobody:
        with pytest.raises(RedisConnectionError):
            await hear(nobody, ["a"], print, print)


async def test_a_listener_that_is_stopped_while_it_connects_ends(redis_url):
    async with open_store(redis_url) as store, asyncio.timeout(60):
        for steps in range(40):
            listening = asyncio.ensure_future(hear(store, ["a"], print, lambda: None))
            for _ in range(steps):
                await asyncio.sleep(0)
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
