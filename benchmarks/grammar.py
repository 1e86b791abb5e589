"""Compares three grammar libraries on Qwen's tokenizer: what a constrained answer costs per token.

For each schema an answer that satisfies it is walked token by token: the mask of the allowed tokens
is written, the token is looked up in it and accepted. No model is involved; the time is what has to
hide behind a forward pass. Run it with the environment of `make test-model` and the two rivals:

    .venv-model/bin/pip install xgrammar lm-format-enforcer
    .venv-model/bin/python -m benchmarks.grammar
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import numpy as np
from peers.qwen import real_tokenizer
from tokenizers import Tokenizer

from benchmarks.machine import describe

VOCABULARY = 152_064
END = 151_645
REPEATS = 5
BUDGET_SECONDS = 4.0
"""After so long a walk stops where it is and is not repeated."""

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
INTENT = {
    "type": "object",
    "properties": {
        "intent": {"enum": [f"intent_{number}_问题" for number in range(200)]},
        "confidence": {"type": "number"},
    },
    "required": ["intent", "confidence"],
    "additionalProperties": False,
}
ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{6}$"},
        "items": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/$defs/item"}, {"type": "null"}]},
            "minItems": 1,
        },
        "note": {"type": "string", "maxLength": 200},
    },
    "required": ["id", "items", "note"],
    "additionalProperties": False,
    "$defs": {
        "item": {
            "type": "object",
            "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}},
            "required": ["sku", "count"],
            "additionalProperties": False,
        }
    },
}
ITEM = {"sku": "A-17 蓝色", "count": 3}
NOTE = "客户要求周六之前送到，电话联系。" * 6
CASES: dict[str, tuple[dict[str, Any], object]] = {
    "any object": ({"type": "object"}, {"a": [1, "二", None], "b": {"c": "d" * 200}}),
    "person": (PERSON, {"name": "王小明", "age": 42}),
    "200 intents": (INTENT, {"intent": "intent_137_问题", "confidence": 0.75}),
    "order": (ORDER, {"id": "AB123456", "items": [ITEM] * 20, "note": NOTE}),
}


class Walk(Protocol):
    """One answer under one grammar."""

    def allows(self, token: int) -> bool:
        """Write the mask and look the token up in it."""

    def accept(self, token: int) -> None:
        """Take note of the token."""


Compile = Callable[[dict[str, Any]], Callable[[], Walk]]


class _Masked:
    """A walk of a library that writes 32-bit masks."""

    def __init__(self, fill: Callable[[Any], object], accept: Callable[[int], object]) -> None:
        self._mask = np.zeros((1, VOCABULARY // 32), dtype=np.int32)
        self._fill, self._accept = fill, accept

    def allows(self, token: int) -> bool:
        self._fill(self._mask)
        return bool(int(self._mask[0, token // 32]) >> token % 32 & 1)

    def accept(self, token: int) -> None:
        if self._accept(token) is False:
            raise ValueError(token)


def llguidance(tokenizer: str) -> Compile:
    """Prepare Microsoft's library, in Rust."""
    from llguidance import LLMatcher, LLTokenizer
    from llguidance.numpy import fill_next_token_bitmask

    known = LLTokenizer(tokenizer, n_vocab=VOCABULARY, eos_token=END)

    def compile_schema(schema: dict[str, Any]) -> Callable[[], Walk]:
        compiled = LLMatcher(known, LLMatcher.grammar_from_json_schema(schema))
        if compiled.is_error():
            raise ValueError(compiled.get_error())

        def start() -> Walk:
            job = compiled.deep_copy()
            return _Masked(lambda mask: fill_next_token_bitmask(job, mask), job.consume_token)

        return start

    return compile_schema


def xgrammar(tokenizer: str) -> Compile:
    """Prepare the library of MLC, vLLM and SGLang, in C++."""
    import xgrammar as xgr

    whole = Tokenizer.from_str(tokenizer)
    words = [whole.id_to_token(number) or "" for number in range(whole.get_vocab_size())]
    info = xgr.TokenizerInfo(
        words, xgr.VocabType.BYTE_LEVEL, vocab_size=VOCABULARY, stop_token_ids=[END]
    )
    compiler = xgr.GrammarCompiler(info, cache_enabled=False)

    def compile_schema(schema: dict[str, Any]) -> Callable[[], Walk]:
        compiled = compiler.compile_json_schema(json.dumps(schema), strict_mode=False)

        def start() -> Walk:
            job = xgr.GrammarMatcher(compiled)
            return _Masked(job.fill_next_token_bitmask, job.accept_token)

        return start

    return compile_schema


class _Listed:
    """A walk of lm-format-enforcer, which answers for a whole sequence of tokens."""

    def __init__(self, enforcer: Any) -> None:
        self._enforcer = enforcer
        self._tokens: list[int] = []

    def allows(self, token: int) -> bool:
        return bool(self._enforcer.get_allowed_tokens(self._tokens).is_token_allowed(token))

    def accept(self, token: int) -> None:
        self._tokens.append(token)


def lm_format_enforcer(tokenizer: str) -> Compile:
    """Prepare the library in Python."""
    from lmformatenforcer import JsonSchemaParser, TokenEnforcer, TokenEnforcerTokenizerData

    whole = Tokenizer.from_str(tokenizer)
    texts = [whole.decode([number]) for number in range(151_643)]
    regular = [(number, text, text[:1] == " ") for number, text in enumerate(texts)]
    known = TokenEnforcerTokenizerData(regular, whole.decode, END, False, VOCABULARY)

    def compile_schema(schema: dict[str, Any]) -> Callable[[], Walk]:
        return lambda: _Listed(TokenEnforcer(known, JsonSchemaParser(schema)))

    return compile_schema


def walk(start: Callable[[], Walk], tokens: Iterable[int]) -> list[float]:
    """Return the milliseconds of each token, or raise ValueError at one that is not allowed."""
    job = start()
    times: list[float] = []
    for token in tokens:
        if sum(times) > 1000 * BUDGET_SECONDS:
            break
        begun = time.perf_counter()
        if not job.allows(token):
            raise ValueError(f"refuses token {token} after {len(times)} tokens")
        job.accept(token)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def measure(compile_schema: Compile, schema: dict[str, Any], tokens: list[int]) -> str:
    """Compile a schema, walk its answer several times and write the figures."""
    try:
        begun = time.perf_counter()
        start = compile_schema(schema)
        compiled = 1000 * (time.perf_counter() - begun)
        first = walk(start, tokens)
        slow = sum(first) > 1000 * BUDGET_SECONDS
        runs = [first] if slow else [walk(start, tokens) for _ in range(REPEATS)]
    except Exception as error:  # noqa: BLE001 - each library has its own; the line says it
        return f"cannot: {type(error).__name__}: {str(error)[:60]}"
    times = sorted([ms for run in runs for ms in run])
    return (
        f"{compiled:8.1f} {sum(first) / len(first):8.3f} {statistics.fmean(times):8.3f}"
        f" {times[len(times) * 99 // 100]:8.3f} {times[-1]:8.3f}"
    )


def main() -> None:
    """Print the table."""
    print(describe())
    tokenizer = real_tokenizer()
    whole = Tokenizer.from_str(tokenizer)
    print("library, schema (tokens)              compile    first     mean      p99      max  ms")
    for prepare in (llguidance, xgrammar, lm_format_enforcer):
        name = prepare.__name__.replace("_f", "-f").replace("_e", "-e")
        try:
            begun = time.perf_counter()
            compile_schema = prepare(tokenizer)
        except ImportError as error:
            print(f"{name}: {error}")
            continue
        loaded = time.perf_counter() - begun
        print(f"{name} {_version(name)}: tokenizer prepared in {loaded:.1f} s")
        for case, (schema, answer) in CASES.items():
            tokens = whole.encode(json.dumps(answer, ensure_ascii=False)).ids
            row = measure(compile_schema, schema, [*tokens, END])
            print(f"  {case:15} ({len(tokens):4} tokens)        {row}", flush=True)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
