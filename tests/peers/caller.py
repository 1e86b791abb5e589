"""What an application says through OpenAI's client."""

from typing import Any

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk


def user(text: str) -> dict[str, str]:
    """A message with this role."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    """A message with this role."""
    return {"role": "assistant", "content": text}


async def ask(client: AsyncOpenAI, *messages: Any, model: str = "shop", **more: Any) -> str:
    """Ask and return the answer's text; a text alone is the user's."""
    messages = [user(m) if isinstance(m, str) else m for m in messages]
    answer = await client.chat.completions.create(model=model, messages=messages, **more)
    return answer.choices[0].message.content


async def read(
    client: AsyncOpenAI, text: str, **more: Any
) -> tuple[str, list[ChatCompletionChunk]]:
    """Ask for a stream; returns its text and its chunks."""
    chunks = [
        part
        async for part in await client.chat.completions.create(
            model="shop", messages=[user(text)], stream=True, **more
        )
    ]
    return "".join(c.delta.content or "" for part in chunks for c in part.choices), chunks
