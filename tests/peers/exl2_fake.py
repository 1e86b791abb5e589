"""A model without weights for ExLlamaV2's scheduler: it says what it is told to say.

Its cache is as real as a card's: what it answers to is read from the pages that the scheduler
names, and each token's entry depends on all before it and on the adapter. So a page that belongs
to another text, or was never written, does not go unnoticed.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from exllamav2 import ExLlamaV2Config, ExLlamaV2Tokenizer
from peers.qwen import small_tokenizer

from config.engine import EngineSettings
from inference.engines.exl2 import Parts
from inference.engines.exl2_engine import Exl2Engine
from inference.engines.pieces import letters_of_bytes
from inference.jobs.job import Ended, Event, Job, Piece, Sampling
from inference.text.tokenizer import ChatTokenizer, Mark

Speak = Callable[[Sequence[int]], int]
"""What comes after a text."""
LIKELY = 10.0
"""Logit of the token that the model says; the next number has one less, all others 0."""
OVERFLOW = -1
"""Said by a model whose numbers grew too large for it."""
PRIME = 1_000_003

TOKENIZER = ChatTokenizer(small_tokenizer())
GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0)


class FakeCache:
    """One layer, one head: the token, and a number made of all tokens up to it."""

    def __init__(self, tokens: int) -> None:
        self.max_seq_len = tokens
        self.batch_size = 1
        self.current_seq_len = 0
        self.tensors = [torch.zeros((1, tokens, 1, 1), dtype=torch.long) for _ in range(2)]

    def all_tensors(self) -> list[torch.Tensor]:
        return list(self.tensors)

    def copy_states(self, target, start, count, to, to_count, *rows):
        assert count == to_count
        for source, copied in zip(self.tensors, target.tensors, strict=True):
            copied[:, to : to + count] = source[:, start : start + count].clone()


@dataclass(eq=False)
class FakeModel:
    config: ExLlamaV2Config
    speak: Speak
    before: Callable[[int, bool], None] = lambda count, reading: None
    """Called before each forward pass with the tokens of a row and whether it reads a prompt."""
    read: list[int] = field(default_factory=list)
    """How many tokens each reading of a prompt took."""
    widths: list[int] = field(default_factory=list)
    """How many answers each other pass went on with."""
    adapters: list[int] = field(default_factory=list)
    """Which adapter each pass had, 0 for none."""
    unloaded: bool = False

    def forward_chunk(
        self, input_ids, attn_params, cache, preprocess_only=False, loras=None, **others
    ):
        rows, count = input_ids.shape
        self.before(count, preprocess_only)
        if preprocess_only:
            self.read.append(rows * count)
        else:
            self.widths.append(rows)
        adapter = 0 if loras is None else loras[0].number  # as the real layers take it
        self.adapters.append(adapter)
        logits = torch.zeros((rows, count, -(-self.config.vocab_size // 32) * 32))
        for row in range(rows):
            past, places = _places(attn_params, row, count)
            known = _write(cache, places, past, input_ids[row], adapter)
            if not preprocess_only:
                for at in range(count):
                    write_logits(logits[row, at], self.speak(known[: past + at + 1]))
        return {} if preprocess_only else {"logits": logits}

    def unload(self) -> None:
        self.unloaded = True


def write_logits(logits: torch.Tensor, said: int) -> None:
    """Make one token the likeliest, or all of them no numbers."""
    if said == OVERFLOW:
        logits.fill_(torch.nan)
    else:
        logits[said] = LIKELY
        logits[said + 1] = LIKELY - 1


@dataclass(eq=False)
class FakeLora:
    number: int


def _places(params, row: int, count: int) -> tuple[int, torch.Tensor]:
    """Where the tokens before and of this pass lie in the cache."""
    if not params.paged:
        return params.past_len, torch.arange(params.past_len + count)
    past = int(params.cache_seqlens[row])
    positions = torch.arange(past + count)
    pages = params.block_index[row][positions // params.page_size]
    return past, pages * params.page_size + positions % params.page_size


def _write(cache, places, past: int, ids, adapter: int) -> list[int]:
    """Write a row's tokens, and return all of the text; all before them must be of this text."""
    tokens, chain = (tensor[0, :, 0, 0] for tensor in cache.tensors)
    tokens[places[past:]] = ids
    known = tokens[places]
    steps = (known + 1) * (torch.arange(len(known)) + 1) * (adapter + 1)
    expected = steps.cumsum(0) % PRIME
    assert torch.equal(chain[places[:past]], expected[:past]), "a page is not of this text"
    chain[places[past:]] = expected[past:]
    return known.tolist()


@cache
def fake_config(tokenizer: str = "") -> ExLlamaV2Config:
    """A model folder without weights, with the small tokenizer or another."""
    chat = ChatTokenizer(tokenizer) if tokenizer else TOKENIZER
    folder = Path(mkdtemp(prefix="fake-exl2-"))
    (folder / "tokenizer.json").write_text(tokenizer or small_tokenizer())
    shape = {
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "vocab_size": chat.vocabulary + 5,
        "max_position_embeddings": 4096,
        "bos_token_id": chat.id_of(Mark.END_OF_TEXT),
        "eos_token_id": chat.id_of(Mark.END),
    }
    (folder / "config.json").write_text(json.dumps(shape))
    config = ExLlamaV2Config()
    config.model_dir = str(folder)
    config.prepare(no_tensors=True)
    return config


@cache
def fake_tokenizer(tokenizer: str = "") -> ExLlamaV2Tokenizer:
    return ExLlamaV2Tokenizer(fake_config(tokenizer))


def with_tokens(*tokens: bytes) -> tuple[str, list[int]]:
    """The small tokenizer with these tokens in place of its last ones, and their ids."""
    declared = json.loads(small_tokenizer())
    model = declared["model"]
    letters = {value: letter for letter, value in letters_of_bytes().items()}
    last = sorted(model["vocab"], key=model["vocab"].get)[-len(tokens) :]
    ids = [model["vocab"].pop(name) for name in last]
    written = ["".join(letters[byte] for byte in token) for token in tokens]
    model["vocab"] |= dict(zip(written, ids, strict=True))
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) not in last]
    return json.dumps(declared), ids


def fake_parts(speak: Speak, pool: int = 4096, **others) -> Parts:
    model = FakeModel(fake_config(), speak)
    return Parts(model, FakeCache(pool), fake_tokenizer(), context_tokens=4096, **others)


def fake_engine(speak: Speak, pool: int = 4096, *, paged: bool = True, **settings) -> Exl2Engine:
    return Exl2Engine(fake_parts(speak, pool), EngineSettings(**settings), paged=paged)


def script(*tokens: int) -> Speak:
    """Say these tokens after whatever prompt, then again from the start; prompts are `prompt`s."""
    return lambda text: tokens[len(text) - 1 - _last_start(text)] if tokens else 0


def _last_start(text: Sequence[int]) -> int:
    start = TOKENIZER.id_of(Mark.START)
    return len(text) - 1 - text[::-1].index(start)


def says(text: str, *, ends: bool = True) -> Speak:
    """Say a text after a prompt, then end."""
    end = [TOKENIZER.id_of(Mark.END)] if ends else []
    return script(*TOKENIZER.encode(text), *end, *[0] * 4096)


def prompt(text: str) -> list[int]:
    """A prompt that a script knows the end of."""
    return TOKENIZER.encode(text, Mark.START)


def babble(text: Sequence[int]) -> int:
    """Say something that depends on all that was said before."""
    return (sum(text) * 31 + len(text) * 7) % 900


@dataclass
class Told:
    """What an engine told of one job."""

    text: str = ""
    tokens: int = 0
    pieces: list[Piece] = field(default_factory=list)
    cached: int | None = None
    end: Ended | None = None


def work(engine: Exl2Engine, *jobs: Job, steps: int = 5000) -> dict[str, Told]:
    """Start jobs and step until all have ended."""
    for job in jobs:
        engine.start(job)
    told: dict[str, Told] = {job.id: Told() for job in jobs}
    for _ in range(steps):
        for event in engine.step():
            note(told.setdefault(event.job, Told()), event)
        if all(each.end for each in told.values()):
            return told
    raise AssertionError("jobs do not end")


def note(told: Told, event: Event) -> None:
    """Add an event to what was told."""
    assert told.end is None, "an event after the end"
    if isinstance(event, Piece):
        told.text += event.text
        told.tokens += event.tokens
        told.pieces.append(event)
    elif isinstance(event, Ended):
        told.end = event
    else:
        assert told.cached is None, "prefilled twice"
        told.cached = event.cached_tokens
