"""The door itself: sockets, key, health, metrics."""

import asyncio
import json

import openai
import pytest
from peers.engine import ANSWER, ScriptedEngine
from peers.serving import QUESTION, TOKENIZER, open_serving

from inference.client.chat import SESSION_HEADER
from inference.jobs.engine import EngineBrokenError

KEY = "a-long-key-for-tests"


async def test_a_unix_socket_is_answered_like_a_port(tmp_path):
    async with open_serving(socket=tmp_path / "unit.sock") as serving:
        body = {"model": "qwen", "messages": QUESTION}
        async with await serving.post("/v1/chat/completions", body) as response:
            answer = await response.json()
        assert answer["choices"][0]["message"]["content"] == ANSWER
        assert (await serving.health())["state"] == "ready"
        assert (tmp_path / "unit.sock").stat().st_mode & 0o777 == 0o600


async def test_only_who_knows_the_key_is_answered():
    async with open_serving(key=KEY) as serving:
        assert await serving.ask()
        for wrong in ("", "none", KEY[:-1], KEY + "x", "schlüssel"):
            header = f"Bearer {wrong}".encode()
            for path in ("/v1/models", "/tokenize", "/v1/embeddings"):
                request = serving.http.request(
                    "POST" if path == "/tokenize" else "GET",
                    f"{serving.url}{path}",
                    headers={"Authorization": header.decode("latin-1")},
                )
                async with request as response:
                    assert response.status == 401
                    assert (await response.json())["error"]["code"] == "invalid_api_key"


async def test_health_and_metrics_ask_for_no_key():
    async with open_serving(key=KEY) as serving:
        assert (await serving.health())["status"] == 200
        async with serving.http.get(f"{serving.url}/metrics") as response:
            assert response.status == 200


async def test_what_is_not_offered_is_an_error_in_openais_shape():
    async with open_serving() as serving:
        with pytest.raises(openai.NotFoundError):
            await serving.client.embeddings.create(model="qwen", input="x")
        with pytest.raises(openai.BadRequestError, match="one answer a request"):
            await serving.ask(n=2)


async def test_loading_is_told_with_its_progress_and_requests_are_put_off():
    engine = ScriptedEngine()
    engine.allow(1)
    async with open_serving(engine, is_open=False) as serving:
        while (health := await serving.health())["progress"] < 0.5:
            await asyncio.sleep(0.001)
        assert (health["status"], health["state"], health["progress"]) == (503, "loading", 0.5)
        with pytest.raises(openai.InternalServerError) as caught:
            await serving.ask()
        assert caught.value.code == "loading"
        assert caught.value.response.headers["Retry-After"]
        engine.allow(None)
        await serving.server.open(TOKENIZER)
        assert await serving.ask() == ANSWER
        assert (await serving.health())["progress"] == 1.0


async def test_given_system_prompts_are_read_before_the_first_request():
    warm_up = ("你是小Q", "你是维修顾问", "x" * 9000)
    async with open_serving(warm_up=warm_up) as serving:
        prompts = [TOKENIZER.decode(job.prompt) for job in serving.engine.seen]
        assert [job.max_tokens for job in serving.engine.seen] == [1, 1]
        await serving.client.chat.completions.create(
            model="qwen", messages=[{"role": "system", "content": "你是小Q"}, *QUESTION]
        )
    assert "你是小Q<|im_end|>" in prompts[0]
    assert "你是维修顾问<|im_end|>" in prompts[1]
    warmed, asked = serving.engine.seen[0].prompt, serving.engine.seen[-1].prompt
    common = next(
        i for i, pair in enumerate(zip(warmed, asked, strict=False)) if len(set(pair)) > 1
    )
    assert TOKENIZER.decode(asked[:common]).endswith("<|im_start|>user\n")


async def test_metrics_count_what_was_done():
    async with open_serving(ScriptedEngine(cached_tokens=3)) as serving:
        await serving.ask()
        with pytest.raises(openai.BadRequestError):
            await serving.ask(n=2)
        async with serving.http.get(f"{serving.url}/metrics") as response:
            text = await response.text()
    prompt = len(serving.engine.seen[0].prompt)
    for line in (
        'xiaoq_model_requests_total{route="chat",status="200"} 1.0',
        'xiaoq_model_requests_total{route="chat",status="400"} 1.0',
        'xiaoq_model_jobs_total{reason="stop"} 1.0',
        f"xiaoq_model_prompt_tokens_total {float(prompt)}",
        "xiaoq_model_cached_tokens_total 3.0",
        f"xiaoq_model_completion_tokens_total {float(len(ANSWER))}",
        "xiaoq_model_first_token_seconds_count 1.0",
        "xiaoq_model_queue_seconds_count 1.0",
        "xiaoq_model_token_seconds_count 1.0",
        "xiaoq_model_jobs_running 0.0",
        "xiaoq_model_jobs_waiting 0.0",
        "xiaoq_model_pool_free_tokens 16384.0",
        "xiaoq_model_loaded_ratio 1.0",
    ):
        assert line in text.splitlines()


async def test_conversations_of_one_key_take_turns():
    async with open_serving(batch=1) as serving:
        serving.engine.allow(0)
        async with asyncio.TaskGroup() as tasks:

            async def ask(text: str, session: str) -> None:
                body = {"messages": [{"role": "user", "content": text}]}
                headers = {SESSION_HEADER: session}
                url = f"{serving.url}/v1/chat/completions"
                async with serving.http.post(url, json=body, headers=headers) as response:
                    await response.read()

            for number, (text, session) in enumerate(
                [("0", "busy"), ("1", "busy"), ("2", "busy"), ("3", "quiet")]
            ):
                tasks.create_task(ask(text, session))
                while serving.server.health.waiting + serving.server.health.running <= number:
                    await asyncio.sleep(0.001)
            serving.engine.allow(None)
    asked = [TOKENIZER.decode(job.prompt).partition("user\n")[2][0] for job in serving.engine.seen]
    assert asked == ["0", "1", "3", "2"]


async def test_no_text_of_a_request_is_logged(capfd, caplog):
    secret = "我的电话是13800138000"
    async with open_serving(ScriptedEngine(faults=[ValueError(secret)])) as serving:
        messages = [{"role": "user", "content": secret}]
        with pytest.raises(openai.InternalServerError) as caught:
            await serving.client.chat.completions.create(model="qwen", messages=messages)
        assert secret not in json.dumps(caught.value.body, ensure_ascii=False)
        with pytest.raises(EngineBrokenError) as broken:
            await serving.loop.watch(30)
        assert secret not in str(broken.value)
    out, err = capfd.readouterr()
    assert "13800138000" not in out + err + caplog.text
