"""What can go wrong with an engine or a caller, met at the door."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress

import openai
import pytest
from aiohttp import ClientConnectionError
from peers.client import PROMPT, connect
from peers.engine import ANSWER, ScriptedEngine
from peers.serving import QUESTION, Serving, open_serving
from structlog.testing import capture_logs

from inference.client.errors import BrokenAnswerError, ModelUnavailableError
from inference.jobs.engine import EngineBrokenError, JobRefusedError, OutOfMemoryError
from inference.jobs.loop import MOST_FAILURES, MOST_RECOVERIES, EngineHungError

BODY = {"model": "qwen", "messages": QUESTION}
STREAM = BODY | {"stream": True}


async def begin(serving: Serving) -> openai.AsyncStream:
    """Begin a streamed answer and read its first letter; the engine then stands still."""
    serving.engine.allow(2)
    stream = await serving.client.chat.completions.create(
        model="qwen", messages=QUESTION, stream=True
    )
    await anext(stream)
    await anext(stream)
    return stream


async def hang_up(
    serving: Serving, question: dict[str, object] = STREAM
) -> AsyncGenerator[None, None]:
    """Send a question, and close the connection at the end."""
    host, port = serving.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(question).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    try:
        yield
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_job_the_engine_refuses_is_the_callers_fault_and_harms_nobody():
    engine = ScriptedEngine(start_fault=JobRefusedError("Job requires 900 pages."))
    async with open_serving(engine) as serving:
        with pytest.raises(openai.BadRequestError, match="900 pages"):
            await serving.ask()
        assert await serving.ask() == ANSWER


async def test_a_failed_answer_is_told_to_its_caller_and_why_to_the_operator():
    async with open_serving(ScriptedEngine(job_fault="the grammar refused")) as serving:
        with capture_logs() as logs, pytest.raises(openai.InternalServerError) as whole:
            await serving.ask()
        assert (whole.value.status_code, whole.value.code) == (500, "job_failed")
        assert "grammar" not in str(whole.value)
        assert [entry["fault"] for entry in logs] == ["the grammar refused"]
        stream = await begin(serving)
        serving.engine.allow(None)
        with pytest.raises(openai.APIError) as streamed:
            [chunk async for chunk in stream]
        assert streamed.value.code == "job_failed"


async def test_a_prompt_that_can_never_fit_is_refused_before_the_engine_sees_it():
    async with open_serving() as serving:
        with pytest.raises(openai.BadRequestError) as caught:
            await serving.ask(max_tokens=5000)
        assert caught.value.code == "context_length_exceeded"
        assert "4096" in str(caught.value)
    assert serving.engine.seen == []


async def test_out_of_memory_fails_the_jobs_it_names_and_the_others_go_on():
    async with open_serving() as serving:
        one = await begin(serving)
        async with asyncio.TaskGroup() as tasks:
            other = tasks.create_task(serving.ask())
            await until(lambda: serving.server.health.running == 2)
            serving.engine.allow(1)
            await serving.engine.until(lambda: len(serving.engine.seen) == 2)
            serving.engine.faults.append(OutOfMemoryError(("0",)))
            serving.engine.allow(None)
            with pytest.raises(openai.APIError) as caught:
                [chunk async for chunk in one]
            assert await other == ANSWER
        assert caught.value.code == "out_of_memory"
        assert serving.engine.recoveries == 1
        assert (await serving.health())["state"] == "ready"
        async with serving.http.get(f"{serving.url}/metrics") as response:
            assert 'xiaoq_model_jobs_total{reason="out_of_memory"} 1.0' in await response.text()


async def test_out_of_memory_that_names_nobody_fails_all_that_run():
    engine = ScriptedEngine(faults=[OutOfMemoryError()])
    async with open_serving(engine) as serving:
        with pytest.raises(openai.InternalServerError) as caught:
            await serving.ask()
        assert caught.value.status_code == 503
        assert caught.value.code == "out_of_memory"
        assert await serving.ask() == ANSWER


async def test_out_of_memory_while_a_job_is_taken_up_fails_that_job():
    engine = ScriptedEngine(start_fault=OutOfMemoryError())
    async with open_serving(engine) as serving:
        with pytest.raises(openai.InternalServerError):
            await serving.ask()
        assert await serving.ask() == ANSWER
    assert engine.recoveries == 1


async def test_memory_that_runs_out_again_and_again_breaks_the_engine():
    engine = ScriptedEngine(faults=[OutOfMemoryError() for _ in range(MOST_RECOVERIES + 1)])
    async with open_serving(engine) as serving:
        for _ in range(MOST_RECOVERIES):
            with pytest.raises(openai.InternalServerError) as caught:
                await serving.ask()
            assert caught.value.code == "out_of_memory"
        with pytest.raises(openai.InternalServerError) as caught:
            await serving.ask()
        assert caught.value.code == "engine_gone"


async def test_an_engine_that_fails_every_answer_counts_as_broken():
    async with open_serving(ScriptedEngine(job_fault="always")) as serving:
        for _ in range(MOST_FAILURES):
            assert serving.server.health.state == "ready"
            with pytest.raises(openai.InternalServerError):
                await serving.ask()
        with pytest.raises(EngineBrokenError, match="one answer after another"):
            await serving.loop.watch(30)
        assert serving.server.health.state == "broken"


async def test_answers_that_fail_now_and_then_break_nothing():
    async with open_serving(ScriptedEngine()) as serving:
        for _ in range(MOST_FAILURES + 1):
            serving.engine.job_fault = "this one"
            with pytest.raises(openai.InternalServerError):
                await serving.ask()
            serving.engine.job_fault = ""
            assert await serving.ask() == ANSWER
        assert serving.server.health.state == "ready"


@pytest.mark.parametrize("fault", [EngineBrokenError("sticky"), ValueError("of the library")])
async def test_a_broken_engine_is_told_before_the_first_token_so_that_others_can_answer(fault):
    async with open_serving(ScriptedEngine(faults=[fault])) as serving:
        with pytest.raises(openai.InternalServerError) as caught:
            await serving.client.chat.completions.create(
                model="qwen", messages=QUESTION, stream=True
            )
        assert (caught.value.status_code, caught.value.code) == (503, "engine_gone")
        with pytest.raises(openai.InternalServerError):
            await serving.ask()
        with pytest.raises(EngineBrokenError) as broken:
            await serving.loop.watch(30)
        assert "of the library" not in str(broken.value)
        health = await serving.health()
        assert (health["status"], health["state"]) == (503, "broken")


async def test_a_stream_that_a_broken_engine_cuts_ends_with_an_error_and_without_a_finish():
    async with open_serving() as serving:
        stream = await begin(serving)
        serving.engine.faults.append(EngineBrokenError("sticky"))
        serving.engine.allow(None)
        with pytest.raises(openai.APIError) as caught:
            [chunk async for chunk in stream]
        assert caught.value.code == "engine_gone"


async def test_the_models_client_goes_elsewhere_before_the_first_token_and_not_after_it():
    broken = ScriptedEngine(faults=[EngineBrokenError("sticky")])
    async with open_serving(broken) as one, connect(f"{one.url}/v1") as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(PROMPT)
    async with open_serving() as other, connect(f"{other.url}/v1") as client:
        other.engine.allow(3)
        stream = client.stream(PROMPT)
        assert (await anext(stream)).text
        other.engine.faults.append(EngineBrokenError("sticky"))
        other.engine.allow(None)
        with pytest.raises(BrokenAnswerError):
            [event async for event in stream]


async def test_a_hung_engine_is_known_by_its_heart_and_its_callers_are_told():
    async with open_serving(hang_seconds=0.2) as serving:
        stream = await begin(serving)
        with pytest.raises(EngineHungError) as caught:
            await serving.loop.watch(0.2)
        health = await serving.health()
        assert (health["status"], health["state"]) == (503, "broken")
        assert health["silent_seconds"] > 0.2
        await serving.server.fail(caught.value, 1)
        with pytest.raises(openai.APIError):
            [chunk async for chunk in stream]


async def test_the_heart_of_an_idle_engine_beats():
    async with open_serving() as serving:
        for _ in range(2):
            silent = 0.0
            async with asyncio.timeout(5):
                while (now := serving.loop.silent_seconds) >= silent:
                    silent = now
                    await asyncio.sleep(0.001)
        assert (await serving.health())["state"] == "ready"


async def test_a_caller_who_leaves_the_queue_is_never_begun():
    async with open_serving(batch=1) as serving:
        first = await begin(serving)
        leaving = hang_up(serving)
        await anext(leaving)
        await until(lambda: serving.server.health.waiting == 1)
        await leaving.aclose()
        await until(lambda: serving.server.health.waiting == 0)
        serving.engine.allow(None)
        [chunk async for chunk in first]
        assert await serving.ask() == ANSWER
    assert len(serving.engine.seen) == 2


@pytest.mark.parametrize("question", [STREAM, BODY])
async def test_a_caller_who_leaves_while_the_prompt_is_read_frees_the_job_in_one_step(question):
    async with open_serving(ScriptedEngine(prefill_steps=1000)) as serving:
        serving.engine.allow(1)
        leaving = hang_up(serving, question)
        await anext(leaving)
        await serving.engine.until(lambda: serving.engine.steps == 1)
        await leaving.aclose()
        await until(lambda: not serving.server.has_requests)
        serving.engine.allow(1)
        await serving.engine.until(lambda: len(serving.engine.cancelled) == 1)
        assert serving.engine.steps <= 2
        await until(lambda: serving.server.health.running == 0)


async def test_a_caller_who_leaves_in_the_middle_of_an_answer_frees_the_job_in_one_step():
    async with open_serving(ScriptedEngine(answer="x" * 1000)) as serving:
        stream = await begin(serving)
        await stream.close()
        await until(lambda: not serving.server.has_requests)
        steps = serving.engine.steps
        serving.engine.allow(1)
        await serving.engine.until(lambda: len(serving.engine.cancelled) == 1)
        assert serving.engine.steps <= steps + 1
        await until(lambda: serving.server.health.running == 0)


async def test_a_caller_who_leaves_as_the_answer_ends_harms_nothing():
    async with open_serving(ScriptedEngine(answer="x")) as serving:
        for _ in range(20):
            leaving = hang_up(serving)
            await anext(leaving)
            await leaving.aclose()
        await until(lambda: not serving.server.has_requests)
        assert await serving.ask() == "x"
        await until(lambda: serving.server.health.running == 0)


async def test_a_caller_who_does_not_read_holds_up_nobody_else():
    engine = ScriptedEngine(pieces=("长" * 20_000,) * 500)
    async with open_serving(engine, total_seconds=1.0) as serving:
        host, port = serving.url.removeprefix("http://").split(":")
        deaf = socket.create_connection((host, int(port)))
        try:
            body = json.dumps(STREAM | {"max_tokens": 500}).encode()
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            deaf.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await serving.engine.until(lambda: serving.engine.steps > 1)
            assert len(await serving.ask(max_tokens=3)) == 60_000
            assert serving.server.has_requests
            await until(lambda: not serving.server.has_requests)
        finally:
            deaf.close()


async def test_a_full_queue_answers_503_and_says_when_to_come_again():
    async with open_serving(batch=1, queue=1) as serving:
        first = await begin(serving)
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(serving.ask(user="same"))
            await until(lambda: serving.server.health.waiting == 1)
            async with await serving.post("/v1/chat/completions", BODY | {"user": "same"}) as third:
                assert third.status == 503
                assert int(third.headers["Retry-After"]) >= 1
                assert (await third.json())["error"]["code"] == "queue_full"
            serving.engine.allow(None)
            assert await second == ANSWER
        await first.close()


async def test_who_fills_the_queue_makes_way_for_another_caller():
    async with open_serving(batch=1, queue=2) as serving:
        first = await begin(serving)
        async with asyncio.TaskGroup() as tasks:
            busy = [tasks.create_task(outcome(serving, "busy")) for _ in range(2)]
            await until(lambda: serving.server.health.waiting == 2)
            quiet = tasks.create_task(outcome(serving, "quiet"))
            await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
            serving.engine.allow(None)
        assert sorted(str(task.result()) for task in busy) == sorted(["queue_full", ANSWER])
        assert quiet.result() == ANSWER
        await first.close()


async def test_a_wait_in_the_queue_that_takes_too_long_ends_with_503():
    async with open_serving(batch=1, queue_seconds=0.05) as serving:
        first = await begin(serving)
        async with await serving.post("/v1/chat/completions", BODY) as response:
            assert response.status == 503
            assert "Retry-After" in response.headers
            assert (await response.json())["error"]["code"] == "queue_timeout"
        assert serving.server.health.waiting == 0
        await first.close()


async def test_a_first_token_that_takes_too_long_ends_with_503_and_frees_the_job():
    engine = ScriptedEngine(prefill_steps=1_000_000, step_seconds=0.001)
    async with open_serving(engine, first_token_seconds=0.1) as serving:
        async with await serving.post("/v1/chat/completions", STREAM) as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "timeout"
        await serving.engine.until(lambda: len(serving.engine.cancelled) == 1)


async def test_an_answer_that_takes_too_long_ends_with_an_error_in_the_stream():
    engine = ScriptedEngine(answer="x" * 4000, step_seconds=0.001)
    async with open_serving(engine, total_seconds=0.2, answer_tokens=4000) as serving:
        stream = await serving.client.chat.completions.create(
            model="qwen", messages=QUESTION, stream=True
        )
        with pytest.raises(openai.APIError) as caught:
            [chunk async for chunk in stream]
        assert caught.value.code == "timeout"
        await serving.engine.until(lambda: len(serving.engine.cancelled) == 1)


async def test_few_prompts_are_read_while_others_wait_though_the_batch_has_room():
    engine = ScriptedEngine(prefill_steps=3)
    async with open_serving(engine, prefills=2) as serving:
        engine.allow(1)
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(serving.ask()) for _ in range(5)]
            await until(lambda: serving.server.health.waiting == 3)
            assert serving.server.health.running == 2
            engine.allow(None)
        assert {task.result() for task in asked} == {ANSWER}


async def test_draining_finishes_open_answers_and_takes_nothing_new():
    async with open_serving() as serving:
        stream = await begin(serving)
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(serving.server.drain())
            await until(lambda: serving.server.health.state == "draining")
            async with await serving.post("/v1/chat/completions", BODY) as refused:
                assert refused.status == 503
                assert "Retry-After" in refused.headers
            assert not draining.done()
            serving.engine.allow(None)
            rest = [chunk async for chunk in stream]
        assert rest[-1].choices[0].finish_reason == "stop"


async def test_draining_ends_when_its_time_is_over():
    async with open_serving(drain_seconds=0.05) as serving:
        stream = await begin(serving)
        await serving.server.drain()
        assert serving.server.has_requests
        await stream.close()


async def test_a_body_that_is_too_large_is_refused():
    async with open_serving() as serving:
        with suppress(ClientConnectionError):
            body = io.BytesIO(b"x" * 5_000_000)
            async with serving.http.post(f"{serving.url}/v1/completions", data=body) as big:
                assert big.status == 413
        assert await serving.ask() == ANSWER


async def outcome(serving: Serving, user: str) -> str:
    try:
        return await serving.ask(user=user)
    except openai.APIError as error:
        return str(error.code)


async def until(condition, seconds: float = 5.0) -> None:
    """Wait until something is true on the event loop."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)
