"""What callers get: an answer in one piece, or as server-sent events. Pure."""

import json
import time
from typing import Any

from core.replies import Outcome, Reply

END = b"data: [DONE]\n\n"


class Completion:
    """The shapes of one answer (platform.openai.com/docs/api-reference/chat)."""

    def __init__(self, identity: str, model: str) -> None:
        self._head = {"id": f"chatcmpl-{identity}", "created": int(time.time()), "model": model}

    def whole(self, reply: Reply) -> dict[str, Any]:
        """An answer in one piece."""
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice | {"logprobs": None}],
            "usage": _usage(reply),
            "xiaoq": _facts(reply),
        }

    def opening(self) -> bytes:
        """The chunk that says who speaks."""
        return self._chunk([_choice({"role": "assistant", "content": ""})])

    def piece(self, text: str) -> bytes:
        """A chunk of text."""
        return self._chunk([_choice({"content": text})])

    def ending(self, reply: Reply) -> bytes:
        """The chunk that says how the answer ended."""
        return self._chunk([_choice({}, _finish_reason(reply))], xiaoq=_facts(reply))

    def usage(self, reply: Reply) -> bytes:
        """The last chunk where the caller asked for usage: no choices."""
        return self._chunk([], usage=_usage(reply))

    def _chunk(self, choices: list[dict[str, Any]], **more: dict[str, Any]) -> bytes:
        body = {**self._head, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}


def _finish_reason(reply: Reply) -> str:
    """OpenAI's word for how an answer ended."""
    if reply.outcome is Outcome.REFUSED:
        return "content_filter"
    return "length" if reply.is_cut else "stop"


def _usage(reply: Reply) -> dict[str, int]:
    """Tokens, zero where no model was asked."""
    prompt, completion = reply.usage.prompt_tokens, reply.usage.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _facts(reply: Reply) -> dict[str, Any]:
    """What OpenAI's shape has no place for."""
    return {
        "outcome": reply.outcome.value,
        "origin": reply.origin.value,
        "persona_version": reply.persona_version,
        "sources": [{"title": source.title, "path": source.path} for source in reply.sources],
    }
