"""Writes a model in EXL2's format without a converter: random weights of a chosen shape and size.

Any bit pattern is a valid weight, so a file of random words is a model. It says nothing of worth,
but the card reads the same bytes for it as for a real one. The widths are mixed and the rows are
permuted, as the converter does it (exllamav2 0.3.2, conversion/adaptivegptq.py).
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from inference.plan.shape import ModelShape

TINY = ModelShape(
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=128,
    vocab_size=1024,
    max_position_embeddings=8192,
)
"""As small as the kernels and flash-attn allow."""
WIDTHS = (8, 6, 5, 4, 3, 2)
SCALE_BITS = 4
DEVIATION = 0.02
"""Of the weights."""
ADAPTER_SCALE = 4
SCALES = [(step + 1) ** 2 / 256 for step in range(16)]
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Writer:
    """Makes the tensors of one model."""

    shape: ModelShape
    bits: float
    head_bits: float = 6.0
    group: int = 128
    contrast: float = 1.0
    """Multiplies queries, keys and output: the higher, the more depends on each earlier token."""
    device: str = "cpu"

    def write(self, folder: Path, tokenizer: str, seed: int = 0) -> None:
        """Write a model folder: config, tokenizer, weights in a file for each layer."""
        folder.mkdir(parents=True, exist_ok=True)
        quantisation = {"quant_method": "exl2", "bits": self.bits}
        config = config_of(self.shape, tokenizer, quantization_config=quantisation)
        (folder / "config.json").write_text(json.dumps(config, indent=1))
        (folder / "tokenizer.json").write_text(tokenizer)
        torch.manual_seed(seed)
        for layer in range(self.shape.num_hidden_layers):
            save_file(dict(self._layer(layer)), folder / f"layer-{layer:02}.safetensors")
        save_file(self._ends(), folder / "ends.safetensors")

    def linear(self, inputs: int, outputs: int, bits: float, deviation=DEVIATION) -> Tensors:
        """Make a quantised layer of so many bits a weight, scales included."""
        groups = -(-inputs // self.group)
        widths = self._widths(groups, bits)
        rows = [min(self.group, inputs - place * self.group) for place in range(groups)]
        words = [width * count // 32 for width, count in zip(widths, rows, strict=True)]
        starts = [sum(words[:place]) for place in range(groups)]
        spread = math.sqrt(sum(scale**2 for scale in SCALES) / len(SCALES))
        largest = [deviation * math.sqrt(12) / 2**width / spread for width in widths]
        pairs = [number for pair in zip(widths, starts, strict=True) for number in pair]
        return {
            "q_weight": self._random((sum(words), outputs)),
            "q_scale": self._random((groups, outputs * SCALE_BITS // 32)),
            "q_scale_max": torch.tensor(largest, dtype=torch.float16),
            "q_groups": torch.tensor(pairs, dtype=torch.int16),
            "q_invperm": torch.randperm(inputs).to(torch.int32),
        }

    def _widths(self, groups: int, bits: float) -> list[int]:
        """Mix two widths, the wider first, so that with their scales they make up `bits`."""
        wanted = bits - SCALE_BITS / self.group
        wide = min((width for width in WIDTHS if width > wanted), default=8)
        narrow = max((width for width in WIDTHS if width < min(wanted, wide)), default=2)
        share = min(max((wanted - narrow) / (wide - narrow), 0.0), 1.0)
        many = round(groups * share)
        return [wide] * many + [narrow] * (groups - many)

    def _random(self, size: tuple[int, int]) -> torch.Tensor:
        words = torch.randint(-(2**31), 2**31, size, dtype=torch.int64, device=self.device)
        return words.to(torch.int32).cpu()

    def _normal(self, size: tuple[int, int]) -> torch.Tensor:
        return (torch.randn(size, device=self.device) * DEVIATION).half().cpu()

    def _layer(self, layer: int) -> Iterator[tuple[str, torch.Tensor]]:
        shape, start = self.shape, f"model.layers.{layer}"
        hidden, wide = shape.hidden_size, shape.intermediate_size
        queries = shape.num_attention_heads * shape.head_dim
        keys = shape.num_key_value_heads * shape.head_dim
        linears = {
            "self_attn.q_proj": (hidden, queries),
            "self_attn.k_proj": (hidden, keys),
            "self_attn.v_proj": (hidden, keys),
            "self_attn.o_proj": (queries, hidden),
            "mlp.gate_proj": (hidden, wide),
            "mlp.up_proj": (hidden, wide),
            "mlp.down_proj": (wide, hidden),
        }
        for name, (inputs, outputs) in linears.items():
            contrast = self.contrast if name[-6:] in {"q_proj", "k_proj"} else 1.0
            linear = self.linear(inputs, outputs, self.bits, DEVIATION * contrast)
            if name[-6:] in {"q_proj", "k_proj", "v_proj"}:
                linear["bias"] = (torch.randn(outputs) * DEVIATION).half()
            for kind, tensor in linear.items():
                yield f"{start}.{name}.{kind}", tensor
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{start}.{name}.weight", torch.ones(hidden, dtype=torch.float16)

    def _ends(self) -> Tensors:
        hidden, vocabulary = self.shape.hidden_size, self.shape.vocab_size
        head = self.linear(hidden, vocabulary, self.head_bits, DEVIATION * self.contrast)
        return {
            "model.embed_tokens.weight": self._normal((vocabulary, hidden)),
            "model.norm.weight": torch.ones(hidden, dtype=torch.float16),
            **{f"lm_head.{kind}": tensor for kind, tensor in head.items()},
        }


def config_of(shape: ModelShape, tokenizer: str, **more: object) -> dict[str, object]:
    """What config.json says of a model of this shape, with more values."""
    ids = {token["content"]: token["id"] for token in json.loads(tokenizer)["added_tokens"]}
    return {
        **shape.model_dump(),
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": False,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        **more,
    }


def dequantise(tensors: Tensors) -> torch.Tensor:
    """Compute a quantised layer's weights, (inputs, outputs) in float32, from the file's tensors.

    Codes are a little-endian stream of bits down each column; a code stands for itself less half
    its range, times (scale + 1)^2 / 256 of its group's largest.
    """
    words = tensors["q_weight"].to(torch.int64) & 0xFFFF_FFFF
    packed = tensors["q_scale"].to(torch.int64) & 0xFFFF_FFFF
    steps = (packed.unsqueeze(-1) >> (torch.arange(8) * SCALE_BITS)) & 0xF
    scales = (steps.flatten(1) + 1) ** 2 / 256 * tensors["q_scale_max"].float().unsqueeze(1)
    pairs = tensors["q_groups"].tolist()
    bounds = [*pairs[1::2], len(words)]
    rows = [
        (_codes(words[start:end], width) - 2 ** (width - 1)) * scale
        for width, (start, end), scale in zip(pairs[::2], pairwise(bounds), scales, strict=True)
    ]
    return torch.cat(rows)[tensors["q_invperm"].long()]


def reference_model(folder: Path, shape: ModelShape) -> torch.nn.Module:
    """The model of a folder in Transformers, float32 on the processor, dequantised by ourselves."""
    tensors: Tensors = {}
    for file in folder.glob("*.safetensors"):
        tensors |= load_file(file)
    state = {
        name: each.float() for name, each in tensors.items() if name.endswith((".weight", ".bias"))
    }
    for name in [name.removesuffix(".q_weight") for name in tensors if name.endswith(".q_weight")]:
        state[f"{name}.weight"] = dequantise(quantised(tensors, name)).T
    return qwen2(shape, state)


def qwen2(shape: ModelShape, state: Tensors) -> torch.nn.Module:
    """A model of Transformers with these weights."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    rope = {"rope_type": "default", "rope_theta": 1_000_000.0}
    config = Qwen2Config(
        **shape.model_dump(), tie_word_embeddings=False, rms_norm_eps=1e-6, rope_parameters=rope
    )
    model = Qwen2ForCausalLM(config).eval()
    model.load_state_dict(state)
    return model


@torch.no_grad()
def merge_adapter(model: torch.nn.Module, folder: Path) -> None:
    """Add an adapter of `write_adapter` to the weights of a reference model."""
    tensors = load_file(folder / "adapter_model.safetensors")
    for name, first in tensors.items():
        if name.endswith(".lora_A.weight"):
            layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            second = tensors[name.replace("lora_A", "lora_B")]
            model.get_submodule(layer).weight += ADAPTER_SCALE * second @ first


def quantised(tensors: Tensors, name: str) -> Tensors:
    """Of all tensors, those of one quantised layer under their short names."""
    kinds = ("q_weight", "q_scale", "q_scale_max", "q_groups", "q_invperm")
    return {kind: tensors[f"{name}.{kind}"] for kind in kinds}


def write_adapter(folder: Path, shape: ModelShape, rank: int = 8) -> None:
    """Write a random LoRA adapter as PEFT does, strong enough to be heard."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {
        "self_attn.q_proj": (shape.hidden_size, shape.num_attention_heads * shape.head_dim),
        "mlp.gate_proj": (shape.hidden_size, shape.intermediate_size),
        "mlp.down_proj": (shape.intermediate_size, shape.hidden_size),
    }
    targets = [name.partition(".")[2] for name in sizes]
    config = {"r": rank, "lora_alpha": ADAPTER_SCALE * rank, "target_modules": targets}
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    tensors = {}
    for layer in range(shape.num_hidden_layers):
        for name, (inputs, outputs) in sizes.items():
            start = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{start}.lora_A.weight"] = torch.randn(rank, inputs) * 0.05
            tensors[f"{start}.lora_B.weight"] = torch.randn(outputs, rank) * 0.05
    save_file(tensors, folder / "adapter_model.safetensors")


def _codes(words: torch.Tensor, width: int) -> torch.Tensor:
    bits = (words.unsqueeze(1) >> torch.arange(32).view(1, 32, 1)) & 1
    stream = bits.reshape(-1, width, words.shape[-1])
    return (stream << torch.arange(width).view(1, width, 1)).sum(1)
