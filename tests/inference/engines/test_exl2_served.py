"""The whole model server over ExLlamaV2's real scheduler, asked by OpenAI's own client."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby

import openai
import pytest
from peers import exl2_stub

exl2_stub.install()

import torch  # noqa: E402
from peers.exl2_fake import TOKENIZER, FakeLora, FakeModel, babble, fake_parts  # noqa: E402

from config.engine import EngineSettings  # noqa: E402
from inference.engines.exl2_engine import Exl2Engine  # noqa: E402
from inference.jobs.loop import open_loop  # noqa: E402
from inference.serving.door import open_door  # noqa: E402
from inference.serving.server import ModelServer  # noqa: E402
from inference.text.tokenizer import Mark  # noqa: E402

pytestmark = pytest.mark.model

HEADER = [TOKENIZER.id_of(Mark.START), *TOKENIZER.encode("assistant\n")]
RULES = "Be kind and short. " * 60


def reply(text: str):
    """Say this text as every answer of a chat."""
    tokens = [*TOKENIZER.encode(text), TOKENIZER.id_of(Mark.END)]

    def speak(known: Sequence[int]) -> int:
        starts = (at for at in range(len(known) - 1, -1, -1) if known[at] == HEADER[0])
        return tokens[min(len(known) - next(starts) - len(HEADER), len(tokens) - 1)]

    return speak


@dataclass(frozen=True)
class Served:
    client: openai.AsyncOpenAI
    model: FakeModel
    engine: Exl2Engine

    async def ask(self, *messages: dict[str, str], **more):
        more = {"model": "qwen", "temperature": 0, "max_tokens": 64, **more}
        return await self.client.chat.completions.create(messages=messages, **more)


@asynccontextmanager
async def open_served(speak, pool: int = 8192, **settings) -> AsyncIterator[Served]:
    values = EngineSettings(served_name="qwen", **settings)
    parts = fake_parts(speak, pool, adapters={"repairs": FakeLora(1)})
    engine = Exl2Engine(parts, values)
    async with open_loop(lambda _: engine) as loop:
        server = ModelServer(loop, values)
        async with open_door(server) as url:
            await server.open(TOKENIZER, ())
            async with openai.AsyncOpenAI(
                base_url=f"{url}/v1",
                api_key="none",
                max_retries=0,
                http_client=openai.DefaultAsyncHttpxClient(verify=False),
            ) as client:
                yield Served(client, parts.model, engine)


async def test_the_second_question_of_a_conversation_reads_only_what_is_new():
    system = {"role": "system", "content": RULES}
    first = {"role": "user", "content": "How do I return a kettle?"}
    async with open_served(reply("Send it back to us within thirty days.")) as served:
        answer = await served.ask(system, first)
        text = answer.choices[0].message.content
        assert text == "Send it back to us within thirty days."
        assert not answer.usage.prompt_tokens_details.cached_tokens
        served.model.read.clear()
        said = {"role": "assistant", "content": text}
        second = {"role": "user", "content": "And if it is broken?"}
        again = await served.ask(system, first, said, second)
    known = answer.usage.prompt_tokens + answer.usage.completion_tokens
    new = again.usage.prompt_tokens - known
    assert sum(served.model.read) <= new + 1
    assert again.usage.prompt_tokens_details.cached_tokens >= known - 2


async def test_many_conversations_at_once_keep_apart_and_share_their_rules():
    system = {"role": "system", "content": RULES}
    async with open_served(babble, pool=32_768, batch=8, prefills=2) as served:

        async def ask(number: int) -> str:
            question = {"role": "user", "content": f"question {number}"}
            answer = await served.ask(system, question, max_tokens=20)
            return answer.choices[0].message.content

        together = await asyncio.gather(*[ask(number) for number in range(12)])
        alone = [await ask(number) for number in range(12)]
    assert together == alone
    assert len(set(alone)) == 12


async def test_an_answer_keeps_to_a_schema_whatever_the_model_would_say():
    schema = {
        "type": "object",
        "properties": {"intent": {"enum": ["returns", "repairs"]}, "sure": {"type": "boolean"}},
        "required": ["intent", "sure"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "intent", "schema": schema}}
    async with open_served(babble) as served:
        questions = [{"role": "user", "content": f"what is {number}?"} for number in range(6)]
        answers = await asyncio.gather(
            *[
                served.ask(question, response_format=wanted, max_tokens=400)
                for question in questions
            ]
        )
    for answer in answers:
        said = json.loads(answer.choices[0].message.content)
        assert said["intent"] in {"returns", "repairs"}
        assert isinstance(said["sure"], bool)


async def test_a_caller_who_hangs_up_frees_the_pages():
    async with open_served(babble, pool=2048) as served:
        stream = await served.ask({"role": "user", "content": RULES}, stream=True, max_tokens=1000)
        async for _ in stream:
            break
        assert served.engine._generator.active_jobs
        await stream.close()
        async with asyncio.timeout(5):
            while served.engine._generator.num_remaining_jobs():
                await asyncio.sleep(0.01)
        assert len(served.engine._generator.unreferenced_pages) == 8


async def test_memory_that_runs_out_fails_one_request_and_no_other():
    async with open_served(babble, pool=16_384) as served:
        left = [40]

        def fail(count: int, reading: bool) -> None:
            left[0] -= not reading
            if left[0] == 0 and not reading:
                raise torch.OutOfMemoryError("out of memory")

        served.model.before = fail
        questions = [{"role": "user", "content": f"question {number}"} for number in range(4)]
        answers = await asyncio.gather(
            *[served.ask(question, max_tokens=60) for question in questions],
            return_exceptions=True,
        )
        failed = [each for each in answers if isinstance(each, openai.APIStatusError)]
        assert [each.status_code for each in failed] == [503]
        kept = [each for each in answers if not isinstance(each, Exception)]
        assert len(kept) == 3
        later = await asyncio.gather(*[served.ask(each, max_tokens=60) for each in questions])
    texts = [each.choices[0].message.content for each in later]
    assert {each.choices[0].message.content for each in kept} <= set(texts)


async def test_adapters_are_asked_for_by_the_name_of_the_model():
    async with open_served(babble) as served:
        question = {"role": "user", "content": RULES}
        plain = await served.ask(question)
        tuned = await served.ask(question, model="qwen:repairs")
        again = await served.ask(question, model="qwen:repairs")
    assert not plain.usage.prompt_tokens_details.cached_tokens
    assert not tuned.usage.prompt_tokens_details.cached_tokens
    assert again.usage.prompt_tokens_details.cached_tokens >= again.usage.prompt_tokens - 2


async def test_those_who_wait_for_an_adapter_are_answered_together_in_few_turns():
    async with open_served(babble, pool=16_384, batch=8, prefills=2) as served:

        async def ask(number: int) -> str:
            model = "qwen:repairs" if number % 2 else "qwen"
            question = {"role": "user", "content": f"question {number}"}
            answer = await served.ask(question, model=model, max_tokens=20, user=f"{number}")
            return answer.choices[0].message.content

        together = await asyncio.gather(*[ask(number) for number in range(12)])
        turns = [adapter for adapter, _ in groupby(served.model.adapters)]
        assert len(turns) <= 4
        assert max(served.model.widths) >= 5
        assert together == [await ask(number) for number in range(12)]
