"""Writes a Qwen2 as its makers publish it, in fp16, with random weights on which all depends.

Each layer adds about as much as there was, biases and norms are far from nothing and one, and
attention looks at some tokens more than at others: what goes wrong anywhere is heard in the end.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from peers.exl2_weights import TINY, Tensors, config_of, qwen2
from safetensors.torch import load_file, save_file

from inference.plan.shape import ModelShape

CONTRAST = 1.5
"""Of queries and keys."""
BIAS = 0.5
LOUDNESS = 3.0
"""Deviation of the logits."""


def write_half(folder: Path, tokenizer: str, shape: ModelShape = TINY, seed: int = 0) -> Path:
    """Write a model folder: config, tokenizer, weights in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_of(shape, tokenizer), indent=1))
    (folder / "tokenizer.json").write_text(tokenizer)
    torch.manual_seed(seed)
    tensors = {name: each.half() for name, each in _tensors(shape)}
    save_file(tensors, folder / "model.safetensors")
    return folder


def half_model(folder: Path, shape: ModelShape = TINY) -> torch.nn.Module:
    """The model of such a folder in Transformers, float32 on the processor."""
    tensors: Tensors = load_file(folder / "model.safetensors")
    return qwen2(shape, {name: each.float() for name, each in tensors.items()})


def _tensors(shape: ModelShape) -> Iterator[tuple[str, torch.Tensor]]:
    hidden, vocabulary = shape.hidden_size, shape.vocab_size
    yield "model.embed_tokens.weight", torch.randn(vocabulary, hidden)
    for layer in range(shape.num_hidden_layers):
        for name, tensor in _layer(shape):
            yield f"model.layers.{layer}.{name}", tensor
    yield "model.norm.weight", _norm(hidden)
    yield "lm_head.weight", _linear(hidden, vocabulary, LOUDNESS)


def _layer(shape: ModelShape) -> Iterator[tuple[str, torch.Tensor]]:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    queries = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    for name, outputs, gain in (("q", queries, CONTRAST), ("k", keys, CONTRAST), ("v", keys, 2.0)):
        yield f"self_attn.{name}_proj.weight", _linear(hidden, outputs, gain)
        yield f"self_attn.{name}_proj.bias", torch.randn(outputs) * BIAS
    yield "self_attn.o_proj.weight", _linear(queries, hidden, 1.0)
    yield "mlp.gate_proj.weight", _linear(hidden, inner, 1.0)
    yield "mlp.up_proj.weight", _linear(hidden, inner, 1.0)
    yield "mlp.down_proj.weight", _linear(inner, hidden, 2.0)
    yield "input_layernorm.weight", _norm(hidden)
    yield "post_attention_layernorm.weight", _norm(hidden)


def _linear(inputs: int, outputs: int, gain: float) -> torch.Tensor:
    return torch.randn(outputs, inputs) * gain / inputs**0.5


def _norm(size: int) -> torch.Tensor:
    return torch.rand(size) + 0.5
