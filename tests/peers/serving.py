"""A model server with a scripted engine, and OpenAI's own client to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import openai
from openai.types.chat import ChatCompletionMessageParam
from peers.engine import ScriptedEngine, byte_tokenizer
from pydantic import SecretStr

from config.engine import EngineSettings
from inference.jobs.loop import EngineLoop, open_loop
from inference.serving.door import open_door
from inference.serving.server import ModelServer

TOKENIZER = byte_tokenizer()
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "在吗"}]


@dataclass(frozen=True)
class Serving:
    """A running server and its callers."""

    engine: ScriptedEngine
    loop: EngineLoop
    server: ModelServer
    url: str
    """Without /v1."""
    client: openai.AsyncOpenAI
    http: aiohttp.ClientSession

    async def post(self, path: str, body: dict[str, object]) -> aiohttp.ClientResponse:
        """Send a body as it is."""
        return await self.http.post(f"{self.url}{path}", json=body)

    async def health(self) -> dict[str, object]:
        """What `/health` says, its status beside."""
        async with self.http.get(f"{self.url}/health") as response:
            return {"status": response.status, **await response.json()}

    async def ask(self, **more: object) -> str:
        """Have a question answered in one piece."""
        answer = await self.client.chat.completions.create(
            model="qwen",
            messages=QUESTION,
            **more,  # type: ignore[call-overload]
        )
        return str(answer.choices[0].message.content)


@asynccontextmanager
async def open_serving(
    engine: ScriptedEngine | None = None,
    *,
    key: str | None = None,
    socket: Path | None = None,
    warm_up: tuple[str, ...] = (),
    is_open: bool = True,
    **settings: object,
) -> AsyncIterator[Serving]:
    """Serve an engine; `is_open=False` leaves it to the test to open the server."""
    engine = engine or ScriptedEngine()
    values = EngineSettings.model_validate({"served_name": "qwen", **settings})
    connector = aiohttp.UnixConnector(str(socket)) if socket else aiohttp.TCPConnector(limit=0)
    async with open_loop(engine.load) as loop, aiohttp.ClientSession(connector=connector) as http:
        try:
            server = ModelServer(loop, values)
            secret = SecretStr(key) if key else None
            async with open_door(server, key=secret, socket=socket) as url:
                base = "http://unit" if socket else url
                if is_open:
                    await server.open(TOKENIZER, warm_up)
                async with openai.AsyncOpenAI(
                    base_url=f"{base}/v1",
                    api_key=key or "none",
                    max_retries=0,
                    # Reading the machine's certificates takes longer than a test.
                    http_client=openai.DefaultAsyncHttpxClient(verify=False),
                ) as client:
                    yield Serving(engine, loop, server, base, client, http)
        finally:
            engine.allow(None)
