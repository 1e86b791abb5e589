"""Brings LoRA adapters into the order that ExLlamaV2 gives the inner features of an MLP.

A quantised layer has its rows in an order of its own. For `down_proj` ExLlamaV2 (0.3.2) saves
itself that reordering: while it loads, it puts the columns of `gate_proj` and `up_proj` into the
same order (mlp.py, `unmap`). It does not do that to adapters, which would make noise of what they
learnt.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import torch
from safetensors import safe_open

INNER_DIMENSION = {"down_proj.lora_A": 0, "gate_proj.lora_B": 1, "up_proj.lora_B": 1}
"""Along which dimension the inner features lie, in ExLlamaV2's transposed tensors."""


class Config(Protocol):
    """ExLlamaV2's config of a model."""

    tensor_file_map: Mapping[str, str]


class Adapter(Protocol):
    """ExLlamaV2's adapter, loaded."""

    config: Config
    tensors: Mapping[str, torch.Tensor]


Loaded = TypeVar("Loaded", bound=Adapter)


def follow_order(adapter: Loaded) -> Loaded:
    """Reorder an adapter's tensors in place, and return it."""
    files = adapter.config.tensor_file_map
    with torch.inference_mode():
        for name, tensor in adapter.tensors.items():
            layer, _, part = name.removesuffix(".weight").partition(".mlp.")
            order = f"{layer}.mlp.down_proj.q_invperm"
            if part in INNER_DIMENSION and order in files:
                places = _read(files[order], order).argsort().to(tensor.device)
                tensor.copy_(tensor.index_select(INNER_DIMENSION[part], places))
    return adapter


def _read(file: str, name: str) -> torch.Tensor:
    with safe_open(file, "pt") as tensors:
        return tensors.get_tensor(name)
