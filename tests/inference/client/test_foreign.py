"""The model client on servers that are not ours. They are installed for this by hand:

pip install 'transformers[serving]'    for `transformers serve`
pip install 'llama-cpp-python[server]' gguf    for `llama_cpp.server`, built in ten minutes
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from company import free_port
from peers.client import connect
from peers.qwen import real_tokenizer

from inference.client.chat import ChatTurn, Chunk, Finish, Prompt
from inference.client.errors import ModelUnavailableError
from inference.client.tokens import estimate_tokens

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]
STARTING_SECONDS = 200.0


@contextmanager
def serving(*command: str | Path, alive: str, **env: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, *command], env=os.environ | env, stdin=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + STARTING_SECONDS
            while not _answers(alive):
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.5)
            yield
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    pytest.importorskip("transformers", reason="needs transformers: make test-model")
    from peers.tiny_qwen import write_servable

    return write_servable(tmp_path_factory.mktemp("tiny"), real_tokenizer())


@pytest.fixture(scope="module")
def transformers_serve(folder, tmp_path_factory) -> Iterator[dict[str, str]]:
    pytest.importorskip("fastapi", reason="needs transformers[serving], installed by hand")
    port = free_port()
    place = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    with serving(
        *["-m", "transformers.cli.transformers", "serve", folder, *place],
        alive=f"http://127.0.0.1:{port}/health",
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
        HF_HUB_CACHE=str(tmp_path_factory.mktemp("cache")),
    ):
        yield {"url": f"http://127.0.0.1:{port}/v1", "model": str(folder)}


@pytest.fixture(scope="module")
def llama_cpp_server(folder) -> Iterator[dict[str, str]]:
    if not (find_spec("llama_cpp") and find_spec("gguf")):
        pytest.skip("needs llama-cpp-python[server] and gguf, installed by hand")
    from peers.tiny_gguf import write_gguf

    model = write_gguf(folder, folder / "tiny.gguf")
    port = str(free_port())
    with serving(
        *["-m", "llama_cpp.server", "--model", model, "--chat_format", "chatml"],
        *["--host", "127.0.0.1", "--port", port, "--n_ctx", "2048"],
        alive=f"http://127.0.0.1:{port}/v1/models",
    ):
        yield {"url": f"http://127.0.0.1:{port}/v1", "model": "any"}


@pytest.fixture(params=["transformers_serve", "llama_cpp_server"])
def endpoint(request) -> dict[str, str]:
    return request.getfixturevalue(request.param)


def prompt(text: str, tokens: int = 12) -> Prompt:
    return Prompt((ChatTurn("system", "你是小Q"), ChatTurn("user", text)), "s", tokens, 0.0)


async def test_an_answer_is_streamed_to_its_end(endpoint) -> None:
    async with connect(endpoint["url"], endpoint=endpoint) as client:
        async with aclosing(client.stream(prompt("在吗"))) as events:
            told = [event async for event in events]
    assert all(isinstance(event, Chunk) for event in told[:-1])
    assert "".join([event.text for event in told[:-1]])
    assert isinstance(told[-1], Finish)


async def test_an_answer_that_nobody_wants_makes_room_for_the_next(endpoint) -> None:
    async with connect(endpoint["url"], endpoint=endpoint) as client:
        async with aclosing(client.stream(prompt("从头说起", tokens=1500))) as events:
            async for _ in events:
                break
        begun = time.monotonic()
        assert await client.complete(prompt("在吗"))
        assert time.monotonic() - begun < 20


async def test_tokens_are_counted_one_way_or_another(endpoint) -> None:
    text = "你好，我的订单什么时候到？"
    async with connect(endpoint["url"], endpoint=endpoint) as client:
        assert 0 < await client.count_tokens(text) <= estimate_tokens(text)


async def test_another_model_than_it_has_is_refused(transformers_serve) -> None:
    wrong = {**transformers_serve, "model": "other"}
    async with connect(wrong["url"], endpoint=wrong) as client:
        with pytest.raises(ModelUnavailableError):
            await client.complete(prompt("在吗"))
