"""Grammars that hold an answer to JSON, to a JSON schema, or to calls of tools.

llguidance was taken after a comparison with xgrammar and lm-format-enforcer on Qwen's tokenizer
(`benchmarks/grammar.py`): a schema is compiled in a few milliseconds, where xgrammar needed seconds
for a text of bounded length; a mask costs 0.02 to 0.06 ms, where lm-format-enforcer needs 10 to 50.
It refuses what it cannot hold an answer to, and bounds its own work and memory.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from inference.jobs.job import Grammar
from inference.text.tokenizer import ChatTokenizer, Mark
from inference.text.tools import Tool

SCHEMA_BYTES = 65_536
"""Longer schemas are refused: they would be compiled for more than about a second."""
KEPT_GRAMMARS = 64
GRAMMAR_SIZE = 100_000
ANY_OBJECT: Mapping[str, object] = {"type": "object"}
# Without a bound a model can go on with white space until its tokens are spent.
_WHITE_SPACE = r"[\x20\x0A\x0D\x09]{1,20}"


class SchemaRefusedError(Exception):
    """No answer can be held to this schema; the message says why, for the caller."""


class Grammars:
    """Compiles grammars for one tokenizer and keeps those last used. Safe for use by threads."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        """Prepare a tokenizer, which takes a second or two."""
        self._ends = (tokenizer.id_of(Mark.END), tokenizer.id_of(Mark.END_OF_TEXT))
        self._marks = {mark: f"<[{tokenizer.id_of(mark)}]>" for mark in Mark}
        self._tokenizer = LLTokenizer(
            tokenizer.describe(), n_vocab=tokenizer.vocabulary, eos_token=list(self._ends)
        )
        self._limits = LLParserLimits(max_grammar_size=GRAMMAR_SIZE, verbose_errors=False)
        self._kept: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = Lock()

    def json_object(self) -> Grammar:
        """Any JSON object."""
        return self.json_schema(ANY_OBJECT)

    def json_schema(self, schema: Mapping[str, object]) -> Grammar:
        """JSON that a schema describes; raises SchemaRefusedError."""
        text = json.dumps(schema)
        if len(text) > SCHEMA_BYTES:
            raise SchemaRefusedError(f"the schema is longer than {SCHEMA_BYTES} bytes")
        return self._grammar(
            LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_pattern": _WHITE_SPACE})
        )

    def tool_calls(
        self, tools: Sequence[Tool], *, required: bool = False, parallel: bool = True
    ) -> Grammar:
        """Calls of these tools, after a text unless required.

        A text cannot contain `<tool_call>` in letters. Arguments follow a tool's parameters, or are
        any object where no answer can be held to these.
        """
        start = "start: calls" if required else "start: TEXT? calls?"
        calls = 'calls: call ("\\n" call)*' if parallel else "calls: call"
        text = f"TEXT: /(.|\\n)+/ & ~/(.|\\n)*{Mark.CALL.value}(.|\\n)*/"
        names = " | ".join([f"call_{number}" for number in range(len(tools))])
        call = f"call: {self._marks[Mark.CALL]} ({names}) {self._marks[Mark.CALL_END]}"
        rules = [self._call_rule(number, tool) for number, tool in enumerate(tools)]
        lines = [start, calls, call, *rules] if required else [start, calls, text, call, *rules]
        return self._grammar(LLMatcher.grammar_from_lark("\n".join(lines)))

    def _call_rule(self, number: int, tool: Tool) -> str:
        head = f'\n{{"name": {json.dumps(tool.name)}, "arguments": '
        options = {"whitespace_pattern": _WHITE_SPACE}
        arguments = json.dumps({**self._parameters(tool), "x-guidance": options})
        return f"call_{number}: {json.dumps(head)} %json {arguments} {json.dumps('}' + chr(10))}"

    def _parameters(self, tool: Tool) -> Mapping[str, object]:
        if tool.parameters is None or tool.parameters.get("type") != "object":
            return ANY_OBJECT
        try:
            self.json_schema(tool.parameters)
        except SchemaRefusedError:
            return ANY_OBJECT
        return tool.parameters

    def _grammar(self, source: str) -> Grammar:
        with self._lock:
            compiled = self._kept.get(source) or self._compile(source)
            self._kept[source] = compiled
            self._kept.move_to_end(source)
            if len(self._kept) > KEPT_GRAMMARS:
                self._kept.popitem(last=False)
            return _Matcher(compiled.deep_copy(), self._tokenizer.vocab_size, self._ends)

    def _compile(self, source: str) -> LLMatcher:
        matcher = LLMatcher(self._tokenizer, source, log_level=0, limits=self._limits)
        # A schema that nothing satisfies shows when the first mask is computed.
        matcher.compute_bitmask()
        if matcher.is_error() or (matcher.is_stopped() and not matcher.is_accepting()):
            reason = matcher.get_error().partition("\n<state>")[0] or "nothing satisfies it"
            raise SchemaRefusedError(reason)
        return matcher


class _Matcher:
    """One job's grammar."""

    def __init__(self, matcher: LLMatcher, vocabulary: int, ends: Sequence[int]) -> None:
        self._matcher = matcher
        self._words = np.zeros(-(-vocabulary // 32), dtype=np.uint32)
        self._ends = ends

    def fill(self, mask: memoryview) -> None:
        """Write the tokens allowed next, as far as the mask reaches."""
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        if self._matcher.is_error():
            # The library would let the answer end here, as if it were whole: allow all but that,
            # so that the next token is refused and the job fails.
            self._words.fill(0xFFFFFFFF)
            for end in self._ends:
                self._words[end // 32] &= ~np.uint32(1 << end % 32)
        target = np.frombuffer(mask, dtype=np.uint32)
        size = min(len(target), len(self._words))
        target[:size] = self._words[:size]

    def accept(self, token: int) -> bool:
        """Take note of the sampled token; False if the grammar does not allow it."""
        return bool(self._matcher.consume_token(token))

    @property
    def is_complete(self) -> bool:
        """Whether nothing but the end may follow."""
        return bool(self._matcher.is_stopped()) and not self._matcher.is_error()
