"""Makes a tiny random Qwen2 model, to try the model client on a server we did not write.

Nothing here is part of the product: it runs in an environment of its own that has torch and
`transformers[serving]`. The tokenizer is Qwen2.5's, built from the ranks in the `dashscope` wheel:

    pip download --no-deps dashscope==2.0.2 && unzip dashscope-2.0.2-py3-none-any.whl -d dashscope
    python benchmarks/transformers_peer.py MODEL --ranks dashscope/dashscope/resources/qwen.tiktoken

It prints the command that serves the model. What the model says has no meaning; how it is said has.
"""

import argparse
import base64
import json
from itertools import pairwise
from pathlib import Path

import torch  # type: ignore[import-not-found]
import transformers  # type: ignore[import-not-found]
from tokenizers import (  # type: ignore[import-not-found]
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)

VOCABULARY = 151_936
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n'"
    " + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

Ranks = dict[bytes, int]


def read_ranks(path: Path) -> Ranks:
    """Read a rank file: a token in base64 and its rank on each line."""
    pairs = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def letters() -> dict[int, str]:
    """Give each byte the printable letter that GPT-2's byte-level vocabulary writes it with."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return table | {byte: chr(256 + number) for number, byte in enumerate(others)}


def split_token(token: bytes, ranks: Ranks) -> tuple[bytes, bytes]:
    """Find the two tokens that merge into this one: encode it with lower ranks only."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        joined = [ranks.get(a + b, VOCABULARY) for a, b in pairwise(parts)]
        at = joined.index(min(joined))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def build_tokenizer(ranks: Ranks) -> Tokenizer:
    """Build Qwen2.5's tokenizer with the special tokens of its chat format."""
    table = letters()

    def write(token: bytes) -> str:
        return "".join([table[byte] for byte in token])

    by_rank = sorted(ranks, key=ranks.__getitem__)
    merges = [split_token(token, ranks) for token in by_rank if len(token) > 1]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={write(token): rank for token, rank in ranks.items()},
            merges=[(write(a), write(b)) for a, b in merges],
        )
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer


def save_model(folder: Path) -> None:
    """Write random weights in the shape of a very small Qwen2, always the same ones."""
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=151_645,
        pad_token_id=151_643,
    )
    transformers.Qwen2ForCausalLM(config).save_pretrained(folder)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="make a tiny random Qwen2 model to serve")
    parser.add_argument("folder", type=Path, help="where the model is written; about 160 MB")
    parser.add_argument("--ranks", type=Path, required=True, help="qwen.tiktoken of dashscope")
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    build_tokenizer(read_ranks(args.ranks)).save(str(folder / "tokenizer.json"))
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    settings = {"tokenizer_class": "Qwen2Tokenizer", "chat_template": CHAT_TEMPLATE, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    save_model(folder)
    print("serve it with")
    print(
        f"  HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 transformers serve {folder} --device cpu"
        " --dtype float32 --host 127.0.0.1 --port 8900"
    )
    endpoint = {"url": "http://127.0.0.1:8900/v1", "model": str(folder)}
    print("and set")
    print(f"  XIAOQ_INFERENCE__ENDPOINTS='[{json.dumps(endpoint)}]'")


if __name__ == "__main__":
    main()
