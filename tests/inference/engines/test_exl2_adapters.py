"""Adapters of MLPs, put into the order that ExLlamaV2 gives their inner features."""

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch: make test-model")
safetensors = pytest.importorskip("safetensors.torch", reason="needs torch: make test-model")

from inference.engines.exl2_adapters import follow_order  # noqa: E402

HIDDEN, WIDE, RANK = 8, 16, 2
LAYER = "model.layers.0.mlp"


def test_an_adapter_says_the_same_after_the_inner_features_changed_places(tmp_path: Path):
    torch.manual_seed(0)
    rows = torch.randperm(WIDE)
    file = tmp_path / "layer.safetensors"
    safetensors.save_file({f"{LAYER}.down_proj.q_invperm": rows.to(torch.int32)}, file)
    weights = {"gate": torch.randn(HIDDEN, WIDE), "up": torch.randn(HIDDEN, WIDE)}
    weights["down"] = torch.randn(WIDE, HIDDEN)
    tensors = {}
    for part, weight in weights.items():
        tensors[f"{LAYER}.{part}_proj.lora_A.weight"] = torch.randn(weight.shape[0], RANK)
        tensors[f"{LAYER}.{part}_proj.lora_B.weight"] = torch.randn(RANK, weight.shape[1])
    given = torch.randn(3, HIDDEN)
    expected = mlp(given, weights, tensors)

    order = rows.argsort()  # as the library lays its weights out when it loads them
    laid_out = {"gate": weights["gate"][:, order], "up": weights["up"][:, order]}
    laid_out["down"] = weights["down"][order]
    assert not torch.allclose(mlp(given, laid_out, tensors), expected)
    files = {f"{LAYER}.down_proj.q_invperm": str(file)}
    adapter = SimpleNamespace(tensors=tensors, config=SimpleNamespace(tensor_file_map=files))
    assert follow_order(adapter) is adapter
    assert torch.allclose(mlp(given, laid_out, tensors), expected, rtol=1e-4, atol=1e-4)


def test_a_model_that_is_not_reordered_leaves_its_adapter_alone():
    tensors = {f"{LAYER}.down_proj.lora_A.weight": torch.randn(WIDE, RANK)}
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    follow_order(SimpleNamespace(tensors=tensors, config=SimpleNamespace(tensor_file_map={})))
    assert all(torch.equal(tensors[name], tensor) for name, tensor in before.items())


def mlp(given, weights, adapter):
    def through(part, value):
        first, second = (adapter[f"{LAYER}.{part}_proj.lora_{half}.weight"] for half in "AB")
        return value @ weights[part] + value @ first @ second

    inner = torch.nn.functional.silu(through("gate", given)) * through("up", given)
    return through("down", inner)
