"""Qwen2.5's tokenizer, made from its ranks, and a small one of the same make, trained on the spot.

The ranks come with the `dashscope` package (Apache-2.0), which `make test-model` installs; nothing
of it is imported. A rank file has no merges: a token is split by encoding it with lower ranks.
"""

import base64
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from itertools import pairwise
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer

# What Qwen2's own tokenizer splits text with (dashscope/tokenizers/qwen_tokenizer.py).
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = (
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    + [f"<|{name}_{side}|>" for name in ("object_ref", "box", "quad") for side in ("start", "end")]
    + [f"<|vision_{name}|>" for name in ("start", "end", "pad")]
    + ["<|image_pad|>", "<|video_pad|>"]
)
NOT_SPECIAL = (
    ["<tool_call>", "</tool_call>"]
    + [f"<|fim_{name}|>" for name in ("prefix", "middle", "suffix", "pad")]
    + ["<|repo_name|>", "<|file_sep|>"]
)
ADDED = [*SPECIAL, *NOT_SPECIAL]

Ranks = dict[bytes, int]
CORPUS = Path(__file__).with_name("qwen_corpus.md")


@cache
def small_tokenizer() -> str:
    """Describe a tokenizer of some hundred tokens with Qwen's added tokens."""
    # A text of its own: with other words there would be other tokens, and other ids in the tests.
    texts = [CORPUS.read_text("utf-8")]
    tokenizer = _byte_level(Tokenizer(models.BPE()))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return _with_added(tokenizer).to_str()


@cache
def real_tokenizer() -> str:
    """Describe Qwen2.5's tokenizer, or skip the test that asks for it."""
    try:
        found = files("dashscope") or []
    except PackageNotFoundError:
        pytest.skip("needs dashscope, which has the ranks: make test-model")
    ranks = read_ranks(next(file for file in found if file.name == "qwen.tiktoken").read_binary())
    return build_tokenizer(ranks).to_str()


def read_ranks(lines: bytes) -> Ranks:
    """Read a rank file: a token in base64 and its rank on each line."""
    pairs = (line.split() for line in lines.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def build_tokenizer(ranks: Ranks) -> Tokenizer:
    """Build Qwen2.5's tokenizer from its ranks."""
    letters = _letters()
    written = {token: "".join([letters[byte] for byte in token]) for token in ranks}
    merges = [
        (written[left], written[right])
        for left, right in _merges(sorted(ranks, key=ranks.__getitem__), ranks)
    ]
    vocabulary = {written[token]: rank for token, rank in ranks.items()}
    return _with_added(_byte_level(Tokenizer(models.BPE(vocab=vocabulary, merges=merges))))


def _byte_level(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_added(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in NOT_SPECIAL])
    return tokenizer


def _letters() -> dict[int, str]:
    """Give each byte the printable letter that GPT-2's byte-level vocabulary writes it with."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return table | {byte: chr(256 + number) for number, byte in enumerate(others)}


def _merges(tokens: Iterable[bytes], ranks: Ranks) -> Iterable[tuple[bytes, bytes]]:
    """Find the two tokens that merge into each of these."""
    for token in tokens:
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            joined = [ranks.get(left + right, len(ranks)) for left, right in pairwise(parts)]
            at = joined.index(min(joined))
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            yield parts[0], parts[1]
