"""Counts tokens with an endpoint's own tokenizer where it offers one."""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import aiohttp

from inference.client.backoff import Clock
from inference.client.connections import Connections
from inference.client.endpoint import Endpoint
from inference.client.tokens import estimate_tokens

ANSWER_SECONDS = 2.0
ASK_AGAIN_SECONDS = 3600.0
AFTER_FAILURE_SECONDS = 30.0
REMEMBERED_TEXTS = 512
_MAX_BODY_BYTES = 16 * 1_048_576

Dialect = Literal["vllm", "llama.cpp"]


_DIALECTS: tuple[Dialect, ...] = ("vllm", "llama.cpp")


class _NotOfferedError(Exception):
    """The server answered, and has no tokenizer for us."""


class _FailedError(Exception):
    """The server could not answer now."""


@dataclass(slots=True)
class _Tokenizer:
    """What is known of an endpoint's tokenizer; nobody asks it before `ask_at`."""

    endpoint: Endpoint
    dialect: Dialect | None = None
    ask_at: float = 0.0


class TokenCounter:
    """Counts tokens: by the first endpoint that offers it, else by estimate.

    The tokenizer is asked as vLLM has it (`POST /tokenize` beside `/v1`, `prompt` -> `count`) and
    as llama.cpp has it (`content` -> `tokens`). An endpoint that offers neither is asked again
    after an hour.
    """

    def __init__(
        self, connections: Connections, endpoints: tuple[Endpoint, ...], clock: Clock
    ) -> None:
        self._connections = connections
        self._tokenizers = [_Tokenizer(endpoint) for endpoint in endpoints]
        self._clock = clock
        self._counts: OrderedDict[str, int] = OrderedDict()

    async def count(self, text: str) -> int:
        """Count a text's tokens, without those of the chat template, in ANSWER_SECONDS at most."""
        if (known := self.at_hand(text)) is not None:
            return known
        if (counted := await self._ask_all(text)) is None:
            return estimate_tokens(text)
        self._remember(text, counted)
        return counted

    def at_hand(self, text: str) -> int | None:
        """The same where no endpoint has to be asked; None where one does."""
        if not text:
            return 0
        if (known := self._counts.get(text)) is not None:
            self._counts.move_to_end(text)
            return known
        return None if any(map(self._may_be_asked, self._tokenizers)) else estimate_tokens(text)

    def _may_be_asked(self, tokenizer: _Tokenizer) -> bool:
        return tokenizer.endpoint.admits and self._clock() >= tokenizer.ask_at

    def _remember(self, text: str, count: int) -> None:
        self._counts[text] = count
        if len(self._counts) > REMEMBERED_TEXTS:
            self._counts.popitem(last=False)

    async def _ask_all(self, text: str) -> int | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_SECONDS
        for tokenizer in self._tokenizers:
            if not self._may_be_asked(tokenizer):
                continue
            counted = await self._ask(tokenizer, text, deadline)
            if counted is not None or loop.time() >= deadline:
                return counted
        return None

    async def _ask(self, tokenizer: _Tokenizer, text: str, deadline: float) -> int | None:
        """Ask one endpoint; only one text at a time tries to find out its dialect."""
        wait = AFTER_FAILURE_SECONDS
        if tokenizer.dialect is None:
            tokenizer.ask_at = self._clock() + wait
        try:
            async with asyncio.timeout_at(deadline):
                counted = await self._count_with(tokenizer, text)
        except _NotOfferedError:
            tokenizer.dialect = None
            wait = ASK_AGAIN_SECONDS
        except (aiohttp.ClientError, TimeoutError, _FailedError):
            pass
        else:
            tokenizer.ask_at = 0.0
            return counted
        tokenizer.ask_at = self._clock() + wait
        return None

    async def _count_with(self, tokenizer: _Tokenizer, text: str) -> int:
        for dialect in (tokenizer.dialect,) if tokenizer.dialect else _DIALECTS:
            counted = await self._post(tokenizer.endpoint, dialect, text)
            if counted is not None:
                tokenizer.dialect = dialect
                return counted
        raise _NotOfferedError

    async def _post(self, endpoint: Endpoint, dialect: Dialect, text: str) -> int | None:
        """Return the count, or None if the server does not speak this dialect."""
        body = {"content": text}
        if dialect == "vllm":
            body = {"model": endpoint.settings.model, "prompt": text}
        async with self._connections.to(endpoint.settings).post(
            endpoint.tokenize_url,
            data=json.dumps(body).encode(),
            headers=endpoint.headers,
            allow_redirects=False,
        ) as response:
            if response.status == 429 or response.status >= 500:
                raise _FailedError
            return _parse(await _read(response)) if response.status == 200 else None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while data := await response.content.readany():
        body += data
        if len(body) > _MAX_BODY_BYTES:
            raise _FailedError
    return bytes(body)


def _parse(body: bytes) -> int | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    if isinstance(count := answer.get("count"), int):
        return count
    # llama.cpp answers a vLLM request with no tokens at all.
    tokens = answer.get("tokens")
    return len(tokens) if isinstance(tokens, list) and tokens else None
