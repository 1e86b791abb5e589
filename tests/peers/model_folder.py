"""Folders that look like models to whoever reads their headers: the files are holes on the disk."""

import json
import os
import struct
from pathlib import Path
from typing import Any

from inference.plan.shape import QWEN25_7B, ModelShape

SMALL = ModelShape(
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=128,
    vocab_size=151_936,
    max_position_embeddings=32_768,
)
_SIZES = {"F16": 2, "I32": 4, "I16": 2}
_GROUP = 128

Sizes = dict[str, tuple[str, tuple[int, ...]]]


def write_exl2(folder: Path, shape: ModelShape = QWEN25_7B, bits: int = 4) -> Path:
    """A folder as the converter leaves it: so many bits a weight, 6 in the output layer."""
    tensors = _plain(shape)
    for number in range(shape.num_hidden_layers):
        for name, rows, columns in _linears(shape):
            tensors |= _quantised(f"model.layers.{number}.{name}", (rows, columns), bits)
    tensors |= _quantised("lm_head", (shape.hidden_size, shape.vocab_size), 6)
    _write_small_files(folder, shape, quantization_config={"quant_method": "exl2", "bits": bits})
    write_tensors(folder / "output.safetensors", tensors)
    return folder


def write_half(folder: Path, shape: ModelShape = SMALL, *, tied: bool = False) -> Path:
    """A folder as the model's makers publish it: fp16, not quantised; `tied` has no lm_head."""
    tensors = _plain(shape)
    for number in range(shape.num_hidden_layers):
        for name, rows, columns in _linears(shape):
            tensors[f"model.layers.{number}.{name}.weight"] = ("F16", (columns, rows))
    if not tied:
        tensors["lm_head.weight"] = ("F16", (shape.vocab_size, shape.hidden_size))
    _write_small_files(folder, shape, tie_word_embeddings=tied)
    write_tensors(folder / "model.safetensors", tensors)
    return folder


def write_tensors(file: Path, tensors: Sizes) -> None:
    """A header and as much nothing as the tensors would take."""
    header, end = {}, 0
    for name, (dtype, dimensions) in tensors.items():
        size = _SIZES[dtype]
        for dimension in dimensions:
            size *= dimension
        offsets = [end, end + size]
        header[name] = {"dtype": dtype, "shape": dimensions, "data_offsets": offsets}
        end += size
    content = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    file.write_bytes(struct.pack("<Q", len(content)) + content)
    os.truncate(file, 8 + len(content) + end)


def change_json(file: Path, **values: Any) -> None:
    """Set values of a JSON file; None takes one out."""
    content = json.loads(file.read_text(encoding="utf-8")) | values
    kept = {name: value for name, value in content.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


def _write_small_files(folder: Path, shape: ModelShape, **more: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = shape.model_dump() | {
        "architectures": ["Qwen2ForCausalLM"],
        "rope_theta": 1_000_000.0,
        **more,
    }
    added = [{"id": 151_643, "content": "<|endoftext|>"}, {"id": 151_645, "content": "<|im_end|>"}]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}), encoding="utf-8")


def _plain(shape: ModelShape) -> Sizes:
    return {
        "model.embed_tokens.weight": ("F16", (shape.vocab_size, shape.hidden_size)),
        "model.norm.weight": ("F16", (shape.hidden_size,)),
    }


def _linears(shape: ModelShape) -> list[tuple[str, int, int]]:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    queries = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    return [
        ("self_attn.q_proj", hidden, queries),
        ("self_attn.k_proj", hidden, keys),
        ("self_attn.v_proj", hidden, keys),
        ("self_attn.o_proj", queries, hidden),
        ("mlp.gate_proj", hidden, inner),
        ("mlp.up_proj", hidden, inner),
        ("mlp.down_proj", inner, hidden),
    ]


def _quantised(name: str, size: tuple[int, int], bits: int) -> Sizes:
    rows, columns = size
    groups = rows // _GROUP
    return {
        f"{name}.q_weight": ("I32", (rows * bits // 32, columns)),
        f"{name}.q_scale": ("I32", (groups, columns // 8)),
        f"{name}.q_scale_max": ("F16", (groups,)),
        f"{name}.q_groups": ("I16", (2 * groups,)),
        f"{name}.q_invperm": ("I32", (rows,)),
    }
